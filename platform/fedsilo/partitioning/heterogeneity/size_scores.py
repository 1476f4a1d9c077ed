"""Scores of the clients' sizes: (N,) examples of N clients; a client without examples counts as 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def gini(sizes: NDArray[np.int64]) -> float:
    """Computes the Gini coefficient of sizes.

    Args:
        sizes: (N,) examples.

    Returns:
        0 if all are equal, (N - 1) / N if one client has everything.
    """
    ordered = np.sort(sizes)
    ranks = np.arange(1, len(ordered) + 1)
    return float(((2 * ranks - len(ordered) - 1) * ordered).sum() / (len(ordered) * ordered.sum()))


def effective_clients(sizes: NDArray[np.int64]) -> float:
    """Computes (sum n)^2 / sum n^2: the number of equal clients with the same weight in a mean by size.

    Args:
        sizes: (N,) examples.

    Returns:
        The number, in [1, N].
    """
    shares = sizes / sizes.sum()
    return float(1.0 / (shares**2).sum())
