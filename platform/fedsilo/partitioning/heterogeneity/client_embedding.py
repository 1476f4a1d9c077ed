"""Map of the clients in two dimensions: classical multidimensional scaling of the distances between their points.

Dimensions: N clients, W width of a client's point. For Euclidean distances, classical scaling is the projection on the
two principal axes (Torgerson 1952), so 10,000 clients need no 10,000 x 10,000 matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClientMap:
    """Positions of the clients on a map.

    Attributes:
        of: Distance that is mapped: "features" (sliced Wasserstein distance) or "labels" (Hellinger distance).
        clients: Numbers of the clients on the map.
        places: (x, y) of each, in units of the distance; the mean is (0, 0).
        shown: Fraction of the squared distances that the map shows, in [0, 1].
        radius: Radius that contains 95 of 100 clients if examples are dealt at random, on a map of their own.
    """

    of: str
    clients: tuple[int, ...]
    places: tuple[tuple[float, float], ...]
    shown: float
    radius: float


def project_to_plane(points: Floats) -> tuple[Floats, float]:
    """Projects points on their two principal axes.

    Args:
        points: (N, W) points.

    Returns:
        (N, 2) positions, and the fraction of the squared distances that they keep.
    """
    centred = points - points.mean(axis=0)
    wide = len(points) <= points.shape[1]
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values, vectors = np.clip(values[::-1], 0.0, None), vectors[:, ::-1]
    axes = vectors[:, :2] * np.sqrt(values[:2]) if wide else centred @ vectors[:, :2]
    places = np.zeros((len(points), 2))
    places[:, : axes.shape[1]] = axes
    # The sign of an axis is arbitrary: the farthest client gets the positive side.
    farthest = places[np.abs(places).argmax(axis=0), [0, 1]]
    total = float(values.sum())
    return places * np.where(farthest < 0, -1.0, 1.0), float(values[:2].sum()) / total if total > 0 else 1.0


def measure_radii(points: Floats) -> Floats:
    """Measures the distances of points from the middle of their map.

    Args:
        points: (N, W) points.

    Returns:
        (N,) distances.
    """
    return np.asarray(np.linalg.norm(project_to_plane(points)[0], axis=1))
