"""Label shifts, one per file, found by its name."""
