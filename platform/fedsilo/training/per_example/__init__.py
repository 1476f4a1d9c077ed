"""Gradients of single examples and their clipped sum, for the privacy of single examples."""
