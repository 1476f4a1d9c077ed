"""Faults on purpose: runs that are struck by real means, resumed as a user would, and held to an undisturbed run."""
