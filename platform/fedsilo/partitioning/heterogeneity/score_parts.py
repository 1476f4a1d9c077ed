"""What one kind of measurement contributes to the scores of a partition.

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
"""Random deals behind a p value."""

EXACT_DEALS = 19
"""Random deals behind the p value of a score that is solved exactly, pair by pair."""

MAP_DEALS = 19
"""Random deals behind the radius of a map."""

PAIRS = 1770
"""Pairs whose distances are kept: all of 60 clients."""


@dataclass(frozen=True, slots=True)
class MeasuredScores:
    """Scores, and the distances of pairs they are means of."""

    scores: tuple[Score, ...]
    pairwise: tuple[Pairwise, ...] = ()


def make_scores(names: Sequence[str], values: Floats, draws: Floats) -> tuple[Score, ...]:
    """(S,) scores of (S,) values beside the (deals, S) draws of their null."""
    return tuple(
        Score(name, value, SCORES[name].most, compare(value, draws[:, column]))
        for column, (name, value) in enumerate(zip(names, values.tolist(), strict=True))
    )


def make_pairwise(name: str, numbers: Indices, pairs: Indices, values: Floats) -> Pairwise:
    """The (P,) distances of (P, 2) pairs of the clients with these (N,) numbers."""
    complete = len(pairs) == len(numbers) * (len(numbers) - 1) // 2
    return Pairwise(name, complete, tuple((one, other) for one, other in numbers[pairs].tolist()), round_values(values))


def make_map(of: str, numbers: Indices, points: Floats, drawn: Floats) -> ClientMap:
    """The map of (N, W) points, with the 95 % quantile of the radii of (deals, N) clients dealt at random."""
    places, shown = project_to_plane(points)
    found = tuple((round(x, 6), round(y, 6)) for x, y in places.tolist())
    return ClientMap(of, tuple(numbers.tolist()), found, round(shown, 6), round(float(np.quantile(drawn, 0.95)), 6))


def align_to_clients(clients: int, numbers: Indices, values: Floats) -> tuple[float | None, ...]:
    """One value per client in client order; None for those whose number is not among `numbers`."""
    found: list[float | None] = [None] * clients
    for number, value in zip(numbers.tolist(), round_values(values), strict=True):
        found[number] = value
    return tuple(found)


def mean(values: Floats) -> float:
    """Mean of distances; 0 where there is no pair."""
    return float(values.mean()) if len(values) else 0.0


def round_values(values: Floats) -> tuple[float, ...]:
    """Values to six places, as they are saved."""
    return tuple(round(value, 6) for value in values.tolist())
