"""Random test splits for data that has none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedsilo.core import Indices


def fraction_problems(key: str, fraction: float) -> list[str]:
    """Checks the fraction of test images.

    Args:
        key: Name of the field.
        fraction: Its value.

    Returns:
        Problems for `Dataset.problems`; empty if there are none.
    """
    return [] if 0.0 < fraction < 1.0 else [f"{key}: must be above 0 and below 1, got {fraction}."]


def split_stratified(cells: Indices, fraction: float, generator: np.random.Generator) -> tuple[Indices, Indices]:
    """Draws a test split with the same composition as the rest.

    Args:
        cells: (n,) group of each example, for example its class; each group is split on its own.
        fraction: Fraction of each group for testing, in (0, 1), rounded to whole examples: at least one example of a
            group of two or more, never all of them. A group of one stays in training.
        generator: Random generator of the draw.

    Returns:
        Positions for training and positions for testing, both ascending.
    """
    held = np.zeros(len(cells), dtype=bool)
    for cell in np.unique(cells):
        members = np.flatnonzero(cells == cell)
        size = min(max(1, int(len(members) * fraction + 0.5)), len(members) - 1)
        held[generator.permutation(members)[:size]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def draw_held_out(
    cells: Indices, digests: Sequence[str], fraction: float, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Draws test images as `split_stratified` does; copies of one image stay in one split.

    Args:
        cells: (n,) group of each image; a copy counts in the group of the first image with its digest.
        digests: (n,) digest of each image.
        fraction: Fraction of each group for testing, in (0, 1).
        generator: Random generator of the draw.

    Returns:
        (n,) whether an image is a test image.
    """
    first: dict[str, int] = {}
    for position, digest in enumerate(digests):
        first.setdefault(digest, position)
    originals = np.array(list(first.values()), dtype=np.int64)
    _, drawn = split_stratified(cells[originals], fraction, generator)
    test = {digests[position] for position in originals[drawn]}
    return np.array([digest in test for digest in digests], dtype=bool)
