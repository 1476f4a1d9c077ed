"""Corruptions of a client's images by kind and severity, which shift their features."""
