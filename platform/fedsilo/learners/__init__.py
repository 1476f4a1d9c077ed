"""What is learned: one file each, found by its name."""
