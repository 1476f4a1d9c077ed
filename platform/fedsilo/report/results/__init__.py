"""Results of runs: reading them back, their progress, and comparisons of several runs."""
