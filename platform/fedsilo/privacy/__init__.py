"""Differential privacy: mechanisms, accounting, and the ledger of a federation."""
