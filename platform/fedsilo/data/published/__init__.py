"""What the published data sets share: how their files lie on disk, are read, checked and fetched."""
