"""Federated algorithms, for any learner: one file each, found by its name."""
