"""Tasks: what is predicted and how it is measured. One file each, found by its name."""
