"""Federated methods: one paper, one file, found by its name."""
