"""Image files in folders and archives: finding, checking, reading, and sorting into classes."""
