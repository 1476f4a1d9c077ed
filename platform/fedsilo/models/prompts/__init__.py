"""Learnable prompts in front of a frozen text tower."""
