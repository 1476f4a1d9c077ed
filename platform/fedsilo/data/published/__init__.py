"""Shared code of the published data sets: layout on disk, reading, checking, downloading."""
