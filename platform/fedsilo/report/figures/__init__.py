"""Figures of partitions and privacy budgets as PNG files."""
