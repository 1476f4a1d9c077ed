"""Prompts: contexts beside class names, the frozen model that encodes them, and the mathematics of the methods."""
