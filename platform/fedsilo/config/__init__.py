"""Scenario files: reading, checking, describing and writing them."""
