"""Gradients of single examples, and their clipped sum: what privacy of an example is made of."""
