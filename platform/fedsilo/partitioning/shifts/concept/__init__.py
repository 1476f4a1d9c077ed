"""Shifts of concept: one file each, found by its name."""
