"""Data sets: their images, labels, classes and domains."""
