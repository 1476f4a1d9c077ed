"""CLIP: loading, image and text towers, image features and their cache."""
