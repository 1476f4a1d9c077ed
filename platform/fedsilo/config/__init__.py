"""Scenario files: read, checked, described."""
