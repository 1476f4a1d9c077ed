"""Images with an attribute and an object: pair lists, metadata, torch files, seeded splits."""
