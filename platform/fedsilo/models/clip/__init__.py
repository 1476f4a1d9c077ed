"""The frozen CLIP: loading, image features and their cache, and the exact fast text tower."""
