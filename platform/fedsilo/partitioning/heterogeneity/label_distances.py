"""Distances between the labels of clients.

Dimensions: N clients, K classes, P pairs of clients. Counts are (N, K) examples of each class at each client; every
client has at least one example. A pair is a row (one, other) of client numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Pairs = NDArray[np.int64]


def distributions(counts: Counts) -> Floats:
    """Computes the label distribution of each client.

    Args:
        counts: (N, K) examples.

    Returns:
        (N, K) fraction of each class in each client's examples.
    """
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def label_shift(counts: Counts) -> Floats:
    """Computes the Jensen-Shannon distance of each client to all clients together.

    Args:
        counts: (N, K) examples.

    Returns:
        (N,) distances (base 2, root of the divergence), in [0, 1].
    """
    overall = counts.sum(axis=0) / counts.sum()
    return _jensen_shannon(distributions(counts), overall[None])


def label_distances(counts: Counts, pairs: Pairs) -> Floats:
    """Computes the Jensen-Shannon distances between the labels of pairs of clients.

    Args:
        counts: (N, K) examples.
        pairs: (P, 2) pairs of clients.

    Returns:
        (P,) distances (base 2, root of the divergence), in [0, 1].
    """
    clients = distributions(counts)
    return _jensen_shannon(clients[pairs[:, 0]], clients[pairs[:, 1]])


def mean_total_variation(counts: Counts) -> float:
    """Computes the mean total variation between the labels of all pairs of clients.

    It is the fraction of one client's examples that need another label to match the other client's distribution. It is
    exact for any number of clients: in ascending order, the i-th of N values (from 0) is the larger one in i pairs and
    the smaller one in N - 1 - i.

    Args:
        counts: (N, K) examples.

    Returns:
        The mean, in [0, 1]; 0 for a single client.
    """
    number = len(counts)
    if number < 2:
        return 0.0
    ordered = np.sort(distributions(counts), axis=0)
    signs = 2.0 * np.arange(number) - (number - 1)
    return float((signs @ ordered).sum() / (number * (number - 1)))


def hellinger_points(counts: Counts) -> Floats:
    """Computes points with Hellinger distances as their Euclidean distances.

    Args:
        counts: (N, K) examples.

    Returns:
        (N, K) points; their distances are in [0, 1].
    """
    return np.asarray(np.sqrt(distributions(counts) / 2))


def _jensen_shannon(p: Floats, q: Floats) -> Floats:
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return np.asarray(np.sqrt(np.clip(divergence, 0.0, 1.0)))


def _relative_entropy(p: Floats, q: Floats) -> Floats:
    """(N,) relative entropy of the rows of p to those of q, in bits; q is above 0 wherever p is."""
    safe = np.where(p > 0, p, 1.0)
    return np.asarray(np.where(p > 0, p * np.log2(safe / np.where(p > 0, q, 1.0)), 0.0).sum(axis=1))
