"""What is predicted and how it is judged: one file each, found by its name."""
