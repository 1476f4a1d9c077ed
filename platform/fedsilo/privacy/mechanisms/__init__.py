"""Privacy mechanisms: one file each, found by its name."""
