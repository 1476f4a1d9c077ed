"""A flat map of the clients: classical multidimensional scaling of the distances between their points.

Dimensions: N clients, W width of a client's point. For Euclidean distances classical scaling is the projection on the
two main axes (Torgerson 1952), so 10,000 clients need no 10,000 x 10,000 matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClientMap:
    """Where the clients lie.

    Attributes:
        of: "features" (sliced Wasserstein distance) or "labels" (Hellinger distance): the distance that is mapped.
        clients: Numbers of the clients on the map.
        places: (x, y) of each, in units of the distance; the mean is (0, 0).
        shown: Part of the squared distances that the map shows, in [0, 1].
        radius: Clients dealt at random lie within it, 95 of 100, on a map of their own.
    """

    of: str
    clients: tuple[int, ...]
    places: tuple[tuple[float, float], ...]
    shown: float
    radius: float


def project_to_plane(points: Floats) -> tuple[Floats, float]:
    """(N, 2) places of (N, W) points on their two main axes, and the part of the squared distances they keep."""
    centred = points - points.mean(axis=0)
    wide = len(points) <= points.shape[1]
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values, vectors = np.clip(values[::-1], 0.0, None), vectors[:, ::-1]
    axes = vectors[:, :2] * np.sqrt(values[:2]) if wide else centred @ vectors[:, :2]
    places = np.zeros((len(points), 2))
    places[:, : axes.shape[1]] = axes
    # An axis has no direction of its own: the farthest client is put on the positive side.
    farthest = places[np.abs(places).argmax(axis=0), [0, 1]]
    total = float(values.sum())
    return places * np.where(farthest < 0, -1.0, 1.0), float(values[:2].sum()) / total if total > 0 else 1.0


def measure_radii(points: Floats) -> Floats:
    """(N,) distances from the middle of the map."""
    return np.asarray(np.linalg.norm(project_to_plane(points)[0], axis=1))
