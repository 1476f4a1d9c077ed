"""Several runs made from one scenario, or found in folders, for one table."""
