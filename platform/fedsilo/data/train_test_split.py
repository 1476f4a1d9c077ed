"""Drawing a test split from data that has none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedsilo.core import Indices


def fraction_problems(key: str, fraction: float) -> list[str]:
    """What is impossible in a held-out fraction, as lines for `Dataset.problems`."""
    return [] if 0.0 < fraction < 1.0 else [f"{key}: must be above 0 and below 1, got {fraction}."]


def stratified(cells: Indices, fraction: float, generator: np.random.Generator) -> tuple[Indices, Indices]:
    """Draws a test split with the same make-up as the rest.

    Args:
        cells: (n,) group of each example, for example its class; groups are split one by one.
        fraction: Part of each group that is held out, in (0, 1), rounded to whole examples: at least one of a group
            of two or more, never all of it. A group of one stays in training.
        generator: Where the draws come from.

    Returns:
        Positions for training and positions for testing, both ascending.
    """
    held = np.zeros(len(cells), dtype=bool)
    for cell in np.unique(cells):
        members = np.flatnonzero(cells == cell)
        size = min(max(1, int(len(members) * fraction + 0.5)), len(members) - 1)
        held[generator.permutation(members)[:size]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def held_out(
    cells: Indices, digests: Sequence[str], fraction: float, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Returns which of n images are held out, drawn as `stratified` does; copies of one image stay on one side.

    Args:
        cells: (n,) group of each image; a copy counts in the group of the first of its kind.
        digests: (n,) digest of each image.
        fraction: Part of each group that is held out, in (0, 1).
        generator: Where the draws come from.
    """
    first: dict[str, int] = {}
    for position, digest in enumerate(digests):
        first.setdefault(digest, position)
    originals = np.array(list(first.values()), dtype=np.int64)
    _, drawn = stratified(cells[originals], fraction, generator)
    test = {digests[position] for position in originals[drawn]}
    return np.array([digest in test for digest in digests], dtype=bool)
