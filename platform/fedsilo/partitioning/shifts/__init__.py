"""Shifts: the axes along which clients differ, one package each, with one shift per file, found by its name."""
