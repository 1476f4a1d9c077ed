"""Seeded samples of clients, images and pairs, for partitions that are too large to measure completely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

FEWEST_IMAGES = 8
"""Images per client below which clients are left out instead."""


@dataclass(frozen=True, slots=True)
class ImageSample:
    """Training images with features to compare.

    Attributes:
        clients: (N,) numbers of the measured clients, ascending; each has at least one image here.
        positions: (n,) positions of the images in the training split, client by client.
        owners: (n,) index into `clients` for each image, ascending.
    """

    clients: Indices
    positions: Indices
    owners: Indices


def sample_images(holdings: Sequence[Sequence[int]], limit: int, generator: np.random.Generator) -> ImageSample:
    """Samples images of the clients that have any.

    Clients contribute the same number of images each, as far as they have them. If that would be fewer than
    `FEWEST_IMAGES`, random clients are left out instead.

    Args:
        holdings: Each client's positions in the training split.
        limit: Greatest number of images, >= 2; two clients with one image each are always kept.
        generator: Random generator of the sample.

    Returns:
        The sample.
    """
    sizes = np.array([len(positions) for positions in holdings], dtype=np.int64)
    order = generator.permutation(np.flatnonzero(sizes > 0))
    fitting = int((np.cumsum(np.minimum(sizes[order], FEWEST_IMAGES)) <= limit).sum())
    clients = np.sort(order[: max(2, fitting)])
    each = _level(sizes[clients], limit)
    parts = []
    for client in clients.tolist():
        held = np.array(holdings[client], dtype=np.int64)
        parts.append(np.sort(generator.permutation(held)[:each]) if len(held) > each else held)
    owners = np.repeat(np.arange(len(clients)), [len(part) for part in parts])
    return ImageSample(clients, np.concatenate(parts), owners)


def sample_pairs(clients: int, limit: int, generator: np.random.Generator) -> Indices:
    """Samples pairs of clients.

    Args:
        clients: Number of clients.
        limit: Greatest number of pairs.
        generator: Random generator of the sample.

    Returns:
        (P, 2) pairs one < other: all of them, or `limit` different ones.
    """
    total = clients * (clients - 1) // 2
    numbers = np.arange(total) if total <= limit else np.sort(generator.choice(total, limit, replace=False))
    # Pair number t counts (1, 0), (2, 0), (2, 1), (3, 0), ...: `other` is the largest with other (other - 1) / 2 <= t.
    other = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.int64)
    return np.stack([numbers - other * (other - 1) // 2, other], axis=1)


def _level(sizes: Indices, limit: int) -> int:
    """Greatest number of images per client with which all clients together have at most `limit`; at least 1."""
    low, high = 1, max(1, int(sizes.max()))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(sizes, middle).sum() <= limit else (low, middle - 1)
    return low
