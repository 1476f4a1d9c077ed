"""Draws of modules, which torch makes from its global generators, derived from a seed instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawing_from(seed: int, device: str = "cpu") -> Iterator[None]:
    """Has torch's global generators, which dropout draws from, begin at a seed inside the block, and puts them back."""
    generators = [torch.default_generator]
    if device.startswith("cuda"):
        generators.append(torch.cuda.default_generators[torch.device(device).index or 0])
    before = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(seed)
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)
