"""Rounds of federated learning: cohorts, clients, server steps, evaluation."""
