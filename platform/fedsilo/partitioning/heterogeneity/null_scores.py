"""Null of a score: its values when the same examples are dealt at random in the same sizes, so that clients are alike.

Samples of one distribution are never quite equal, and small samples differ much: so a score is compared with its null.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.05
"""Greatest p of a score beyond chance; one in twenty partitions of alike clients has such a p by chance."""


@dataclass(frozen=True, slots=True)
class Null:
    """A score's values when examples are dealt at random.

    Attributes:
        mean: Mean over the deals.
        high: 95 % quantile over the deals.
        p: Fraction of the deals, the real one included, with at least the real score; in [1 / (deals + 1), 1].
        deals: Number of random deals.
    """

    mean: float
    high: float
    p: float
    deals: int


def score_random_deals(
    measure: Callable[[NDArray[np.int64]], Floats], owners: NDArray[np.int64], deals: int, seed: int
) -> Floats:
    """Computes the scores of random deals.

    Args:
        measure: Returns the (S,) scores of the examples for (n,) clients of the examples.
        owners: (n,) client of each example; it is permuted, so clients keep their sizes.
        deals: Number of random deals.
        seed: Seed of the permutations.

    Returns:
        (deals, S) scores.
    """
    generator = np.random.default_rng(seed)
    return np.array([measure(generator.permutation(owners)) for _ in range(deals)], dtype=np.float64)


def compare(value: float, draws: Floats) -> Null:
    """Compares a score with its null.

    Args:
        value: The score.
        draws: (deals,) scores of random deals.

    Returns:
        The null.
    """
    # Values that differ only by rounding count as equal, so that p does not depend on the last bit of a sum.
    reached = int((draws >= value - 1e-9 * max(1.0, abs(value))).sum())
    return Null(float(draws.mean()), float(np.quantile(draws, 0.95)), (1 + reached) / (1 + len(draws)), len(draws))


def remove_chance(value: float, mean: float) -> float:
    """Removes chance from a distance, as an independent error: by squares, not below 0.

    Args:
        value: The distance.
        mean: Mean of its null.

    Returns:
        The rest of the distance.
    """
    return math.sqrt(max(0.0, value**2 - mean**2))
