"""Monitoring: log lines and metrics of actors, and the observation of a run from another machine."""
