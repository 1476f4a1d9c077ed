"""How unlike each other the clients of a partition are: labels and sizes.

Dimensions: N clients, K classes. Counts are (N, K) examples of each class at each client. A client without examples
has no labels that could differ: its own shift is 0, it is in no mean of shifts, and its size counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """The numbers beside a partition; all in [0, 1], 0 when the clients are alike.

    Attributes:
        label_shift: (N,) Jensen-Shannon distance of each client's labels to those of all clients together.
        mean_label_shift: Mean of `label_shift` over clients.
        pairwise_shift: Mean over pairs of clients of the total variation distance between their labels: the
            fraction of one client's examples that would need another label to look like the other client.
        size_gini: Gini coefficient of the clients' sizes.
    """

    label_shift: tuple[float, ...]
    mean_label_shift: float
    pairwise_shift: float
    size_gini: float


def measure(counts: Counts) -> Heterogeneity:
    """Measures a partition by its (N, K) counts."""
    holding = counts.sum(axis=1) > 0
    shift = np.zeros(len(counts))
    shift[holding] = label_shift(counts[holding])
    return Heterogeneity(
        label_shift=tuple(shift.tolist()),
        mean_label_shift=float(shift[holding].mean()),
        pairwise_shift=pairwise_shift(counts[holding]),
        size_gini=gini(counts.sum(axis=1)),
    )


def label_shift(counts: Counts) -> Floats:
    """(N,) Jensen-Shannon distance (base 2, square root of the divergence) of each client to the overall labels."""
    clients = _distributions(counts)
    overall = counts.sum(axis=0) / counts.sum()
    middle = (clients + overall) / 2
    divergence = (_relative_entropy(clients, middle) + _relative_entropy(overall[None], middle)) / 2
    return np.asarray(np.sqrt(np.clip(divergence, 0.0, 1.0)))


def pairwise_shift(counts: Counts, cost: Floats | None = None) -> float:
    """Mean distance between the label distributions of two clients; 0 for a single client.

    Args:
        counts: (N, K) examples.
        cost: (K, K) cost of taking one class for another, for an earth mover's distance; without it every two classes
            are 1 apart, and the distance is the total variation, in [0, 1].
    """
    distributions = _distributions(counts)
    rows = [_distances(distributions[number], distributions[number + 1 :], cost) for number in range(len(counts) - 1)]
    return float(np.concatenate(rows).mean()) if rows else 0.0


def gini(sizes: NDArray[np.int64]) -> float:
    """Gini coefficient of sizes: 0 when all are equal, (N - 1) / N when one client has everything."""
    ordered = np.sort(sizes)
    ranks = np.arange(1, len(ordered) + 1)
    return float(((2 * ranks - len(ordered) - 1) * ordered).sum() / (len(ordered) * ordered.sum()))


def _distributions(counts: Counts) -> Floats:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _relative_entropy(p: Floats, q: Floats) -> Floats:
    """(N,) relative entropy of the rows of p to those of q, in bits; q is above 0 wherever p is."""
    safe = np.where(p > 0, p, 1.0)
    return np.asarray(np.where(p > 0, p * np.log2(safe / np.where(p > 0, q, 1.0)), 0.0).sum(axis=1))


def _distances(one: Floats, others: Floats, cost: Floats | None) -> Floats:
    """(M,) distances between one (K,) distribution and (M, K) others."""
    if cost is None:
        return np.asarray(np.abs(others - one).sum(axis=1) / 2)
    # Imported where it is used: it looks for every array library there is, which takes seconds.
    import ot

    return np.array([float(ot.emd2(one, other, cost)) for other in others])
