"""Privacy events: releases, described by the numbers that their privacy depends on.

There are two adjacencies, of one unit (an example or a client), with all sizes public:

- zero_out: the unit's contribution is replaced by zero. The released sum changes by at most the sensitivity C.
- replace: the unit's contribution is replaced by another unit's. Both are within C of zero, so within 2 C of each
  other.

A multiplier is always the noise deviation over C, the bound of ONE contribution. The code that clips to C states C
once, and the adjacency is an argument of the accountant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fedsilo.core.errors import PrivacyBudgetError

Adjacency = Literal["zero_out", "replace"]
ADJACENCIES: tuple[Adjacency, ...] = ("zero_out", "replace")
RAREST = 1e-290
"""Smallest rate of the accountants' series; smaller rates are counted as this one."""
MOST_RELEASES = 10**15
"""Largest number of releases in an event: more than any run makes, and a float holds it exactly."""


@dataclass(frozen=True, slots=True)
class PrivacyEvent:
    """Releases of a sum with Gaussian noise.

    Attributes:
        multiplier: Noise deviation over the L2 bound of one unit's contribution, >= 0, may be infinite.
        rate: Probability that a unit is in a release, each independently of all (Poisson sampling), in (0, 1].
            Shuffled batches of fixed size are not that: their rate is 1, and one unit enters one batch of an epoch.
        count: How many such releases, 0 to 1e15.
    """

    multiplier: float
    rate: float = 1.0
    count: int = 1

    def __post_init__(self) -> None:
        _check("multiplier", self.multiplier, self.multiplier >= 0, "a number >= 0")
        _check_sampling(self.rate, self.count)


@dataclass(frozen=True, slots=True)
class DiscretePrivacyEvent:
    """Releases of a sum of integer vectors, each with its own share of discrete Gaussian noise.

    Attributes:
        deviation: Parameter sigma of one share N_Z(0, sigma^2), per coordinate, in steps of the ring, > 0.
        shares: Smallest number of shares that the observer does not know: threshold minus colluders, >= 1. More noise
            in a sum does no harm.
        dimension: Coordinates of the vector, >= 1.
        sensitivity: L2 bound of one unit's contribution in steps of the ring, rounding included, > 0.
        rate: As in `PrivacyEvent`.
        count: As in `PrivacyEvent`.
    """

    deviation: float
    shares: int
    dimension: int
    sensitivity: float
    rate: float = 1.0
    count: int = 1

    def __post_init__(self) -> None:
        for name, value in (("deviation", self.deviation), ("sensitivity", self.sensitivity)):
            _check(name, value, 0 < value < math.inf, "a number > 0")
        for name, whole in (("shares", self.shares), ("dimension", self.dimension)):
            _check(name, whole, whole >= 1 and whole % 1 == 0, "a whole number >= 1")
        _check_sampling(self.rate, self.count)

    @property
    def multiplier(self) -> float:
        """Returns the deviation of the whole noise over the sensitivity."""
        return math.sqrt(self.shares) * self.deviation / self.sensitivity


AnyPrivacyEvent = PrivacyEvent | DiscretePrivacyEvent


def _check_sampling(rate: float, count: int) -> None:
    _check("rate", rate, 0 < rate <= 1, "in (0, 1]")
    _check("count", count, 0 <= count <= MOST_RELEASES and count % 1 == 0, "a whole number from 0 to 1e15")


def _check(name: str, value: float, right: bool, wanted: str) -> None:
    if not right:
        raise PrivacyBudgetError(f"expense: {name} must be {wanted}, got {abridge(value)}.")


def abridge(value: float) -> str:
    """Shortens a number with very many digits, so that it fits into a line.

    Args:
        value: The number.

    Returns:
        The number as text, or its first digits and their count.
    """
    text = str(value)
    return text if len(text) <= 24 else f"{text[:8]}... ({len(text)} characters)"
