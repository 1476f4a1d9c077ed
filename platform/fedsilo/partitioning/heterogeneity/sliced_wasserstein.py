"""Sliced Wasserstein distances between clients' image features, as Euclidean distances between points.

Along one direction, the 2-Wasserstein distance of two samples is the L2 distance of their quantile functions. So each
client becomes one point: its quantiles along L directions, at Q levels. Then all pairs cost as little as a mean, also
for 10,000 clients.

The directions are orthonormal, and the sum over them is scaled by D / L: the squared distance of two samples that
differ only by a shift v is |v|^2 on average over directions (exactly with L = D), and on that average it is never
above the squared exact distance W2^2. With unit features, distances are in [0, 2].

Dimensions: n images, D width, L directions, Q levels, N clients, P pairs.
Source: Bonneel, Rabin, Peyre, Pfister, "Sliced and Radon Wasserstein barycenters of measures", JMIV 2015; directions
as in Rowland et al., "Orthogonal estimation of Wasserstein distances", AISTATS 2019.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.seeds import numpy_generator

Floats = NDArray[np.float64]
Owners = NDArray[np.int64]

DIRECTIONS = 64
LEVELS = 32


def directions(width: int, count: int = DIRECTIONS) -> Floats:
    """Draws orthonormal directions, the same ones for every scenario, so that scores can be compared.

    Args:
        width: Width D of the features.
        count: Number of directions.

    Returns:
        (D, L) directions, L = min(count, D).
    """
    draw = numpy_generator(0, "directions of sliced distances").standard_normal((width, min(count, width)))
    basis, triangle = np.linalg.qr(draw)
    return np.asarray(basis * np.sign(np.diag(triangle)))


def project(features: Floats, along: Floats) -> Floats:
    """Projects features on directions, scaled so that distances of points are those of the module's header.

    Args:
        features: (n, D) features.
        along: (D, L) directions.

    Returns:
        (L, n) scaled coordinates.
    """
    width, count = along.shape
    return np.ascontiguousarray((features @ along).T * math.sqrt(width / count))


def quantile_points(projected: Floats, owners: Owners, clients: int, levels: int = LEVELS) -> Floats:
    """Computes one point per client: the quantiles of its projected features.

    Args:
        projected: (L, n) coordinates from `project`.
        owners: (n,) client of each image, in [0, clients); every client has at least one.
        clients: Number of clients, N.
        levels: Number of levels, Q. Exact if it is a multiple of all clients' images, else a midpoint rule.

    Returns:
        (N, L * Q) points; the Euclidean distance of two is the scaled sliced 2-Wasserstein distance.
    """
    # One sort for all clients: an offset larger than any difference keeps each client's values together.
    step = 1.0 + float(projected.max() - projected.min())
    offsets = owners * step
    ordered = np.sort(projected + offsets, axis=1)
    sizes = np.bincount(owners, minlength=clients)
    starts = np.cumsum(sizes) - sizes
    at = starts[:, None] + np.floor((np.arange(levels) + 0.5) / levels * sizes[:, None]).astype(np.int64)
    values = ordered[:, at] - (np.arange(clients) * step)[:, None]  # (L, N, Q)
    return np.asarray(values.transpose(1, 0, 2).reshape(clients, -1) / math.sqrt(levels))


def distances(points: Floats, pairs: NDArray[np.int64]) -> Floats:
    """Computes the distances between pairs of clients.

    Args:
        points: (N, L * Q) points.
        pairs: (P, 2) pairs of clients.

    Returns:
        (P,) distances.
    """
    return np.asarray(np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1))


def to_centre(points: Floats) -> Floats:
    """Computes the distance of each client to the sliced barycentre of all, each client with the same weight.

    Args:
        points: (N, L * Q) points.

    Returns:
        (N,) distances.
    """
    return np.asarray(np.linalg.norm(points - points.mean(axis=0), axis=1))


def root_mean_square(points: Floats) -> float:
    """Computes the root of the mean squared distance over all pairs of clients, exact for any number of clients.

    Args:
        points: (N, L * Q) points.

    Returns:
        The root mean square; 0 for a single client.
    """
    number = len(points)
    return math.sqrt(2 * float((to_centre(points) ** 2).sum()) / (number - 1)) if number > 1 else 0.0
