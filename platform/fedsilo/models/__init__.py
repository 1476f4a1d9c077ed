"""Frozen models: CLIP's towers and features, prompts for them, and the pretraining of the shipped one."""
