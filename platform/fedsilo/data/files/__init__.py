"""Image files in folders and archives: finding, checking, sorting into classes, and reading them."""
