"""Emblems: small pictures of 24 things in 8 colours, 4 textures and 6 domains, drawn from a seed."""
