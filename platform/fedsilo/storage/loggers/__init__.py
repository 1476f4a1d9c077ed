"""Loggers beside the run's own records, one file each. A file imports its package only when a scenario asks for it."""
