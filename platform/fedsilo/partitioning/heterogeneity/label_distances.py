"""How unlike each other the clients' labels are.

Dimensions: N clients, K classes, P pairs of clients. Counts are (N, K) examples of each class at each client, every
client with at least one example. A pair is a row (one, other) of client numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Pairs = NDArray[np.int64]


def distributions(counts: Counts) -> Floats:
    """(N, K) parts of each class in each client's examples."""
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def label_shift(counts: Counts) -> Floats:
    """(N,) Jensen-Shannon distance (base 2, root of the divergence, in [0, 1]) of each client to all together."""
    overall = counts.sum(axis=0) / counts.sum()
    return _jensen_shannon(distributions(counts), overall[None])


def label_distances(counts: Counts, pairs: Pairs) -> Floats:
    """(P,) Jensen-Shannon distances (base 2, root of the divergence, in [0, 1]) between two clients' labels."""
    clients = distributions(counts)
    return _jensen_shannon(clients[pairs[:, 0]], clients[pairs[:, 1]])


def mean_total_variation(counts: Counts) -> float:
    """Mean over all pairs of clients of the total variation between their labels, in [0, 1]; 0 for a single client.

    It is the fraction of one client's examples that would need another label to look like the other client. Exact for
    any number of clients: in ascending order, the i-th of N values is the larger one in i pairs (from 0) and the
    smaller one in N - 1 - i.
    """
    number = len(counts)
    if number < 2:
        return 0.0
    ordered = np.sort(distributions(counts), axis=0)
    signs = 2.0 * np.arange(number) - (number - 1)
    return float((signs @ ordered).sum() / (number * (number - 1)))


def hellinger_points(counts: Counts) -> Floats:
    """(N, K) points whose Euclidean distances are the Hellinger distances between the clients' labels, in [0, 1]."""
    return np.asarray(np.sqrt(distributions(counts) / 2))


def _jensen_shannon(p: Floats, q: Floats) -> Floats:
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return np.asarray(np.sqrt(np.clip(divergence, 0.0, 1.0)))


def _relative_entropy(p: Floats, q: Floats) -> Floats:
    """(N,) relative entropy of the rows of p to those of q, in bits; q is above 0 wherever p is."""
    safe = np.where(p > 0, p, 1.0)
    return np.asarray(np.where(p > 0, p * np.log2(safe / np.where(p > 0, q, 1.0)), 0.0).sum(axis=1))
