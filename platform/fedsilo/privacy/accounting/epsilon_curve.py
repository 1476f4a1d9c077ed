"""The growth of epsilon while releases are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
from fedsilo.privacy.accounting.epsilon_bounds import AccountedEpsilon, epsilon

POINTS = 32


@dataclass(frozen=True, slots=True)
class EpsilonPoint:
    """What has been spent after some number of releases.

    Attributes:
        releases: Number of releases.
        spent: Their epsilon.
    """

    releases: int
    spent: AccountedEpsilon


def trace_epsilon(
    expenses_after: Callable[[int], Sequence[AnyPrivacyEvent]],
    releases: int,
    delta: float,
    adjacency: Adjacency = "zero_out",
    points: int = POINTS,
) -> list[EpsilonPoint]:
    """Computes epsilon after 1, ..., `releases` releases, at a limited number of points.

    Args:
        expenses_after: Returns everything that was released up to a number of releases (or rounds, or steps).
        releases: The last number, >= 1.
        delta: In (0, 1).
        adjacency: "zero_out" or "replace".
        points: Largest number of points, >= 2; they are denser at the beginning.

    Returns:
        The points, ascending; the last one is at `releases`.
    """
    at = choose_points(releases, points)
    return [EpsilonPoint(number, epsilon(expenses_after(number), delta, adjacency)) for number in at]


def choose_points(total: int, points: int = POINTS) -> list[int]:
    """Selects some of the numbers 1, ..., `total`, denser at the beginning.

    Args:
        total: The last number, >= 1.
        points: Largest number of points, >= 2.

    Returns:
        Ascending numbers, with 1 and `total`.
    """
    # Epsilon grows about as a square root, so these points are about evenly spaced in epsilon.
    return sorted({1, *(max(1, round(total * (part / (points - 1)) ** 2)) for part in range(1, points))})
