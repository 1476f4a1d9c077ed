"""Ways to add updates up: one file each, found by its name."""
