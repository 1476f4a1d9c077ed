"""Federated algorithms for any learner. One file each, found by its name."""
