"""Partitions: how examples are assigned to clients, how clients differ, and how much."""
