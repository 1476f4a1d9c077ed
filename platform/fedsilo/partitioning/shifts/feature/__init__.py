"""Shifts of feature: one file each, found by its name."""
