"""Partitions: one rule and one file each, found by its name."""
