"""The axes along which clients differ, one package each; in it one shift and one file each, found by its name."""
