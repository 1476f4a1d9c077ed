"""Secrets opened from shares of which some may be wrong.

Shamir's shares have no check of their own, but what they open is compared with what its owner advertised. So wrong
shares are found by trying: of m shares of which b are wrong, a random choice of q is right with a probability of about
(1 - q / m)^b, so few tries suffice for few wrong ones.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from fedsilo.aggregation.secagg import shamir
from fedsilo.core.errors import NotEnoughShares, ProtocolViolation

TRIES = 2000
"""Choices of shares that are tried for one secret."""


class Opener:
    """Opens the secrets of one round; who gave a wrong share of one is asked last for the others.

    Attributes:
        wrong: Points at which a share was wrong, by the owner of the secret.
    """

    def __init__(self, threshold: int) -> None:
        """Takes how many shares open a secret."""
        self._threshold = threshold
        self.wrong: dict[int, list[int]] = {}

    def secret(self, owner: int, shares: Mapping[int, bytes], fits: Callable[[bytes], bool]) -> bytes | None:
        """Returns the secret of 32 bytes that fits what its owner advertised; None where no choice of shares opens it.

        Args:
            owner: Whose secret it is.
            shares: By the point that each was taken at.
            fits: Whether 32 bytes are the advertised secret.
        """
        doubted = {point for points in self.wrong.values() for point in points}
        points = sorted(shares, key=lambda point: (point in doubted, point))
        for tried, chosen in enumerate(_choices(points, self._threshold)):
            secret = self._combined(shares, chosen)
            if secret is None or not fits(secret):
                continue
            if tried:
                self.wrong[owner] = self._misfits(shares, chosen, fits)
            return secret
        return None

    def _misfits(self, shares: Mapping[int, bytes], right: Sequence[int], fits: Callable[[bytes], bool]) -> list[int]:
        """The points of wrong shares: each of the others in the place of one that is right."""

        def misfits(point: int) -> bool:
            secret = self._combined(shares, (*right[1:], point))
            return secret is None or not fits(secret)

        return [point for point in sorted(shares.keys() - set(right)) if misfits(point)]

    def _combined(self, shares: Mapping[int, bytes], points: Sequence[int]) -> bytes | None:
        try:
            return shamir.combine({point: shares[point] for point in points}, self._threshold)
        except (ProtocolViolation, NotEnoughShares):
            return None


def _choices(points: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Yields choices of so many points, the first ones first: all where they are few, at random where they are not."""
    if math.comb(len(points), size) <= TRIES:
        yield from itertools.combinations(points, size)
        return
    yield points[:size]
    draw = random.Random(0)  # which shares are tried hides nothing
    for _ in range(TRIES - 1):
        yield draw.sample(points, size)
