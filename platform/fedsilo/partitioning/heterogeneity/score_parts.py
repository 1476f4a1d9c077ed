"""Scores, distances of pairs and maps, as one kind of measurement contributes them.

Dimensions: S scores, P pairs of clients, N measured clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.partitioning.heterogeneity.client_embedding import ClientMap, project_to_plane
from fedsilo.partitioning.heterogeneity.null_scores import compare
from fedsilo.partitioning.heterogeneity.scores import SCORES, Pairwise, Score

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

DEALS = 99
"""Random deals for a p value."""

EXACT_DEALS = 19
"""Random deals for the p value of a score with exact transport for every pair."""

MAP_DEALS = 19
"""Random deals for the radius of a map."""

PAIRS = 1770
"""Greatest number of pairs with saved distances: all pairs of 60 clients."""


@dataclass(frozen=True, slots=True)
class MeasuredScores:
    """Result of one kind of measurement.

    Attributes:
        scores: Scores of all clients.
        pairwise: Distances of pairs, of which scores are means.
    """

    scores: tuple[Score, ...]
    pairwise: tuple[Pairwise, ...] = ()


def make_scores(names: Sequence[str], values: Floats, draws: Floats) -> tuple[Score, ...]:
    """Makes scores of values and their nulls.

    Args:
        names: (S,) names, keys of `SCORES`.
        values: (S,) values.
        draws: (deals, S) values of random deals.

    Returns:
        (S,) scores.
    """
    return tuple(
        Score(name, value, SCORES[name].most, compare(value, draws[:, column]))
        for column, (name, value) in enumerate(zip(names, values.tolist(), strict=True))
    )


def make_pairwise(name: str, numbers: Indices, pairs: Indices, values: Floats) -> Pairwise:
    """Makes a table of distances.

    Args:
        name: Name of the distance, a key of `SCORES`.
        numbers: (N,) the clients' numbers.
        pairs: (P, 2) pairs of indices into `numbers`.
        values: (P,) distances.

    Returns:
        The table, by client number.
    """
    complete = len(pairs) == len(numbers) * (len(numbers) - 1) // 2
    return Pairwise(name, complete, tuple((one, other) for one, other in numbers[pairs].tolist()), round_values(values))


def make_map(of: str, numbers: Indices, points: Floats, drawn: Floats) -> ClientMap:
    """Makes a map of clients.

    Args:
        of: Distance that is mapped, "features" or "labels".
        numbers: (N,) the clients' numbers.
        points: (N, W) points.
        drawn: (deals, N) radii of clients when examples are dealt at random.

    Returns:
        The map.
    """
    places, shown = project_to_plane(points)
    found = tuple((round(x, 6), round(y, 6)) for x, y in places.tolist())
    return ClientMap(of, tuple(numbers.tolist()), found, round(shown, 6), round(float(np.quantile(drawn, 0.95)), 6))


def align_to_clients(clients: int, numbers: Indices, values: Floats) -> tuple[float | None, ...]:
    """Spreads values of some clients over all clients.

    Args:
        clients: Number of clients.
        numbers: (N,) numbers of the clients with a value.
        values: (N,) values.

    Returns:
        (clients,) one value per client; None for clients without one.
    """
    found: list[float | None] = [None] * clients
    for number, value in zip(numbers.tolist(), round_values(values), strict=True):
        found[number] = value
    return tuple(found)


def mean(values: Floats) -> float:
    """Computes the mean of distances.

    Args:
        values: (P,) distances.

    Returns:
        Their mean; 0 where there is no pair.
    """
    return float(values.mean()) if len(values) else 0.0


def round_values(values: Floats) -> tuple[float, ...]:
    """Rounds values to six places, as they are saved.

    Args:
        values: (n,) values.

    Returns:
        (n,) rounded values.
    """
    return tuple(round(value, 6) for value in values.tolist())
