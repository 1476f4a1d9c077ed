"""Partition rules, one per file, found by its name."""
