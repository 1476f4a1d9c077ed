"""Availability: when clients are there and how long they take; one file each, found by its name."""
