"""Exact optimal transport between clients, solved by POT: of labels, of image features, and of both together.

Dimensions: n, m images of two clients, D width, K classes, P pairs of clients, G groups (one class at one client).
Sources: Alvarez-Melis and Fusi, "Geometric dataset distances via optimal transport", NeurIPS 2020, arXiv:2002.02923;
Gelbrich, "On a formula for the L2 Wasserstein metric between measures on Euclidean and Hilbert spaces", 1990.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def class_costs(names: Floats) -> Floats:
    """Computes costs between classes as distances of their features: a cat is nearer to a dog than to a car.

    Args:
        names: (K, D) unit features of the classes.

    Returns:
        (K, K) Euclidean distances, in [0, 2].
    """
    return np.sqrt(np.clip(_squared_distances(names, names), 0.0, None)) * (1.0 - np.eye(len(names)))


def earth_movers(parts: Floats, pairs: Indices, costs: Floats) -> Floats:
    """Computes earth mover's distances between the label distributions of clients.

    Args:
        parts: (N, K) fraction of each class in each client's examples.
        pairs: (P, 2) pairs of clients.
        costs: (K, K) a metric between classes. The part that two distributions share can then stay in place, so only
            the differences are transported.

    Returns:
        (P,) distances.
    """
    return np.array(
        [_transport_difference(parts[one] - parts[other], costs) for one, other in pairs.tolist()], dtype=np.float64
    )


def wasserstein(one: Floats, other: Floats) -> float:
    """Computes the 2-Wasserstein distance between two samples of equally weighted images.

    Args:
        one: (n, D) features.
        other: (m, D) features.

    Returns:
        The distance.
    """
    return math.sqrt(
        _emd(np.full(len(one), 1 / len(one)), np.full(len(other), 1 / len(other)), _squared_distances(one, other))
    )


class ClassGaussians:
    """Labelled features of several clients, with one Gaussian for each class at each client.

    The ground cost between image x of class y and image x' of class y' is |x - x'|^2 + W2^2, where W2 is the distance
    between the Gaussians that fit the two classes' features *at their own client*. So the distance measures shifted
    images, shifted labels, and labels with different meanings.
    """

    def __init__(self, features: Floats, labels: Indices, owners: Indices) -> None:
        """Fits the Gaussians to (n, D) features with (n,) labels at (n,) clients."""
        self._features, self._owners = features, owners
        keys, self._group = np.unique(np.stack([owners, labels], axis=1), axis=0, return_inverse=True)
        self._group = self._group.reshape(-1)
        self._of_client = keys[:, 0]
        sizes = np.bincount(self._group)
        self._means = np.zeros((len(keys), features.shape[1]))
        np.add.at(self._means, self._group, features)
        self._means /= sizes[:, None]
        # Roots of the covariances, (G, largest, D): rows are centred features over sqrt(size), then rows of zeros.
        order = np.argsort(self._group, kind="stable")
        place = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[self._group[order]]
        self._roots = np.zeros((len(keys), int(sizes.max()), features.shape[1]))
        self._roots[self._group[order], place] = (features - self._means[self._group])[order]
        self._roots /= np.sqrt(sizes)[:, None, None]
        self._spread = (self._roots**2).sum(axis=(1, 2))

    def distance(self, one: int, other: int) -> float:
        """Computes the optimal transport data set distance between two clients.

        Args:
            one: Number of a client.
            other: Number of another client.

        Returns:
            The distance; with unit features in [0, sqrt 8].
        """
        rows, columns = np.flatnonzero(self._owners == one), np.flatnonzero(self._owners == other)
        left, right = np.flatnonzero(self._of_client == one), np.flatnonzero(self._of_client == other)
        between = self._gaussians(left, right)
        labelled = between[self._group[rows][:, None] - left[0], self._group[columns][None] - right[0]]
        cost = _squared_distances(self._features[rows], self._features[columns]) + labelled
        return math.sqrt(_emd(np.full(len(rows), 1 / len(rows)), np.full(len(columns), 1 / len(columns)), cost))

    def _gaussians(self, left: Indices, right: Indices) -> Floats:
        """(G, G') squared W2 distances of Gaussians: of the means, plus the Bures distance of the covariances.

        With covariances A'A and B'B of few images each, the trace of the root in Bures' formula is the sum of the
        singular values of A B', a small matrix for few images: no D x D root is computed.
        """
        a, b, (rows, width) = len(left), len(right), self._roots.shape[1:]
        products = self._roots[left].reshape(-1, width) @ self._roots[right].reshape(-1, width).T
        products = products.reshape(a, rows, b, rows).transpose(0, 2, 1, 3)
        shared = np.linalg.svd(products, compute_uv=False).sum(axis=-1)
        bures = self._spread[left][:, None] + self._spread[right][None] - 2 * shared
        return np.asarray(_squared_distances(self._means[left], self._means[right]) + np.clip(bures, 0.0, None))


def _transport_difference(difference: Floats, costs: Floats) -> float:
    giving, taking = np.flatnonzero(difference > 0), np.flatnonzero(difference < 0)
    mass = difference[giving].sum()
    if not mass > 1e-12:  # equal except for rounding
        return 0.0
    taken = -difference[taking]
    return float(mass * _emd(difference[giving] / mass, taken / taken.sum(), costs[np.ix_(giving, taking)]))


def _emd(a: Floats, b: Floats, cost: Floats) -> float:
    # Imported here because it searches for every array library, which takes seconds.
    import ot

    return max(0.0, float(ot.emd2(a, b, np.ascontiguousarray(cost))))


def _squared_distances(one: Floats, other: Floats) -> Floats:
    """(n, m) squared Euclidean distances."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
    return np.asarray(np.clip(squares, 0.0, None))
