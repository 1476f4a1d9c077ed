"""Data sets: how images and labels are found, checked, downloaded, drawn and split."""
