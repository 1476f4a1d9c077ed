"""Frozen CLIP towers, their prompts, and the pretraining of the small model that ships with the package."""
