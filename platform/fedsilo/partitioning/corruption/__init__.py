"""Corruptions: what is done to a client's images so that its features shift, by kind and severity."""
