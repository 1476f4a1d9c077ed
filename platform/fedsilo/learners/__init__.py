"""Learners: parameters, and the scores that they give. One file each, found by its name."""
