"""Loggers beside the run's own records: one file each, which imports what it needs when it is asked for."""
