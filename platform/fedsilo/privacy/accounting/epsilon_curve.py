"""How epsilon grows while releases are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
from fedsilo.privacy.accounting.accountants import AccountedEpsilon, epsilon

POINTS = 32


@dataclass(frozen=True, slots=True)
class EpsilonPoint:
    """What has been spent after so many releases."""

    releases: int
    spent: AccountedEpsilon


def trace_epsilon(
    expenses_after: Callable[[int], Sequence[AnyPrivacyEvent]],
    releases: int,
    delta: float,
    adjacency: Adjacency = "zero_out",
    points: int = POINTS,
) -> list[EpsilonPoint]:
    """Returns what is spent after 1, ..., `releases` releases, at so many points or fewer, the denser the earlier.

    Args:
        expenses_after: Everything that was released up to a number of releases (or rounds, or steps).
        releases: The last number, >= 1.
        delta: In (0, 1).
        adjacency: What neighbours are.
        points: How many numbers of releases are looked at, >= 2.
    """
    at = choose_points(releases, points)
    return [EpsilonPoint(number, epsilon(expenses_after(number), delta, adjacency)) for number in at]


def choose_points(total: int, points: int = POINTS) -> list[int]:
    """Returns so many of the numbers 1, ..., `total`, or fewer, ascending, with both ends; the denser the earlier.

    Args:
        total: The last number, >= 1.
        points: How many numbers at most, >= 2.
    """
    # Epsilon grows about as a root: so its steps are even.
    return sorted({1, *(max(1, round(total * (part / (points - 1)) ** 2)) for part in range(1, points))})
