"""Names that the `backbone` section knows without any library."""

SHIPPED = "fedsilo-tiny"
"""The small CLIP in this package; it needs no download."""

RANDOM = "random"
"""Value of `pretrained` for weights that are drawn from the seed, for tests and benchmarks."""
