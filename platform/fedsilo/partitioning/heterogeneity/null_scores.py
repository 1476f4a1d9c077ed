"""What a score would be if the clients were alike: the same examples, dealt again at random in the same sizes.

Samples of one distribution are never quite equal, and small ones are far apart: a score is read against its null.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.05
"""A score is said to be beyond chance when p is at most this: one in twenty of alike partitions is, by chance."""


@dataclass(frozen=True, slots=True)
class Null:
    """A score's values when examples are dealt at random.

    Attributes:
        mean: Mean over the deals.
        high: Their 95 % quantile.
        p: Part of the deals, the real one among them, whose score is at least the real one; in [1 / (deals + 1), 1].
        deals: How many random deals.
    """

    mean: float
    high: float
    p: float
    deals: int


def score_random_deals(
    measure: Callable[[NDArray[np.int64]], Floats], owners: NDArray[np.int64], deals: int, seed: int
) -> Floats:
    """(deals, S) scores of random deals.

    Args:
        measure: Returns the (S,) scores of the examples when these (n,) are their clients.
        owners: (n,) the clients of the examples; who gives and who takes is permuted, so sizes stay.
        deals: How many.
        seed: Of the permutations.
    """
    generator = np.random.default_rng(seed)
    return np.array([measure(generator.permutation(owners)) for _ in range(deals)], dtype=np.float64)


def compare(value: float, draws: Floats) -> Null:
    """Places a value among the (deals,) draws of its null."""
    # Equal but for rounding counts as equal: p must not hang on the last bit of a sum.
    reached = int((draws >= value - 1e-9 * max(1.0, abs(value))).sum())
    return Null(float(draws.mean()), float(np.quantile(draws, 0.95)), (1 + reached) / (1 + len(draws)), len(draws))


def remove_chance(value: float, mean: float) -> float:
    """What is left of a distance when chance is taken out as an independent error is: by squares, not below 0."""
    return math.sqrt(max(0.0, value**2 - mean**2))
