"""Aggregations, which add up or average updates: one file each, found by the file's name."""
