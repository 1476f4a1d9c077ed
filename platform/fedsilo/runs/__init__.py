"""Runs from scenario to result: one, several side by side (comparison), and audits of one."""
