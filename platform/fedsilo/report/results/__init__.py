"""What came of runs: their result, read back, looked at while they run, and set side by side."""
