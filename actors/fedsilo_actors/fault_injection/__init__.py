"""Fault injection: real faults in runs that are resumed as a user would, and compared with an undisturbed run."""
