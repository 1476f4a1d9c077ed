"""Shifts of label: one file each, found by its name."""
