"""The HTML page of a run, report.html."""
