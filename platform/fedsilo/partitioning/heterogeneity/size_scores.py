"""How unequal the clients' sizes are. Sizes are (N,) examples of N clients; one without examples counts as 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def gini(sizes: NDArray[np.int64]) -> float:
    """Gini coefficient of sizes: 0 when all are equal, (N - 1) / N when one client has everything."""
    ordered = np.sort(sizes)
    ranks = np.arange(1, len(ordered) + 1)
    return float(((2 * ranks - len(ordered) - 1) * ordered).sum() / (len(ordered) * ordered.sum()))


def effective_clients(sizes: NDArray[np.int64]) -> float:
    """(sum n)^2 / sum n^2: how many clients of equal size would weigh as these do in a mean by size; in [1, N]."""
    shares = sizes / sizes.sum()
    return float(1.0 / (shares**2).sum())
