"""Runs from scenario to result: one run, comparisons of several runs, and privacy audits of a finished run."""
