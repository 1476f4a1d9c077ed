"""Shifts of quantity: one file each, found by its name."""
