"""What is measured of a partition too large to measure whole: seeded samples of clients, images and pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

FEWEST_IMAGES = 8
"""Images a client is measured by before further clients are left out."""


@dataclass(frozen=True, slots=True)
class ImageSample:
    """Training images whose features are compared.

    Attributes:
        clients: (N,) numbers of the clients that are measured, ascending; each has at least one image here.
        positions: (n,) positions of the images in the training split, client after client.
        owners: (n,) index into `clients` for each image, ascending.
    """

    clients: Indices
    positions: Indices
    owners: Indices


def sample_images(holdings: Sequence[Sequence[int]], limit: int, generator: np.random.Generator) -> ImageSample:
    """Chooses at most `limit` images (but always two clients' worth of one) of the clients that have any.

    Clients give the same number of images each, as far as they have them. If that would be fewer than
    `FEWEST_IMAGES`, clients are left out at random instead.

    Args:
        holdings: The clients' positions in the training split.
        limit: Images in all, >= 2.
        generator: What is left out is drawn from it.
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
    """(P, 2) pairs one < other of `clients` clients: all of them, or `limit` different ones drawn at random."""
    total = clients * (clients - 1) // 2
    numbers = np.arange(total) if total <= limit else np.sort(generator.choice(total, limit, replace=False))
    # Pair number t counts (1, 0), (2, 0), (2, 1), (3, 0), ...: `other` is the largest with other (other - 1) / 2 <= t.
    other = ((1 + np.sqrt(1 + 8 * numbers.astype(np.float64))) / 2).astype(np.int64)
    return np.stack([numbers - other * (other - 1) // 2, other], axis=1)


def _level(sizes: Indices, limit: int) -> int:
    """The most images each client can give so that all together give at most `limit`; at least 1."""
    low, high = 1, max(1, int(sizes.max()))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(sizes, middle).sum() <= limit else (low, middle - 1)
    return low
