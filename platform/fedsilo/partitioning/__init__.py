"""Which client holds which examples: rules, shifts, corruption, and measures of heterogeneity."""
