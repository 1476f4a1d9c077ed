"""Comparisons: several runs made from one scenario, or found in folders, in one table."""
