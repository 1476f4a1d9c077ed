"""The Ray runtime of fedsilo."""
