"""Opening of secrets from shares of which some may be wrong.

Shamir's shares have no check of their own, but the opened secret is compared with what its owner advertised. So wrong
shares are found by trials: of m shares of which b are wrong, a random choice of q is right with a probability of about
(1 - q / m)^b, so a few trials suffice for a few wrong shares.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from fedsilo.aggregation.secagg import shamir
from fedsilo.core.errors import NotEnoughShares, ProtocolViolation

TRIES = 2000
"""Largest number of choices of shares that are tried for one secret."""


class Opener:
    """Opens the secrets of one round; the shares of a client that gave a wrong one are used last for the other secrets.

    Attributes:
        wrong: Points at which a share was wrong, by the owner of the secret.
    """

    def __init__(self, threshold: int) -> None:
        """Begins with no wrong shares known.

        Args:
            threshold: Shares that open a secret.
        """
        self._threshold = threshold
        self.wrong: dict[int, list[int]] = {}

    def secret(self, owner: int, shares: Mapping[int, bytes], fits: Callable[[bytes], bool]) -> bytes | None:
        """Opens a secret that fits what its owner advertised.

        Args:
            owner: The client whose secret it is.
            shares: By the point that each was taken at.
            fits: Whether 32 bytes are the advertised secret.

        Returns:
            The secret, 32 bytes; None where no choice of shares opens it.
        """
        doubted = {point for points in self.wrong.values() for point in points}
        points = sorted(shares, key=lambda point: (point in doubted, point))
        for tried, chosen in enumerate(_choices(points, self._threshold)):
            secret = self._combine(shares, chosen)
            if secret is None or not fits(secret):
                continue
            if tried:
                self.wrong[owner] = self._misfits(shares, chosen, fits)
            return secret
        return None

    def _misfits(self, shares: Mapping[int, bytes], right: Sequence[int], fits: Callable[[bytes], bool]) -> list[int]:
        """The points of wrong shares: each of the others is tried in place of a right one."""

        def misfits(point: int) -> bool:
            secret = self._combine(shares, (*right[1:], point))
            return secret is None or not fits(secret)

        return [point for point in sorted(shares.keys() - set(right)) if misfits(point)]

    def _combine(self, shares: Mapping[int, bytes], points: Sequence[int]) -> bytes | None:
        try:
            return shamir.combine({point: shares[point] for point in points}, self._threshold)
        except (ProtocolViolation, NotEnoughShares):
            return None


def _choices(points: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Yields choices of `size` points, the first points first: all choices if they are few, else random ones."""
    if math.comb(len(points), size) <= TRIES:
        yield from itertools.combinations(points, size)
        return
    yield points[:size]
    draw = random.Random(0)  # no secret depends on which shares are tried
    for _ in range(TRIES - 1):
        yield draw.sample(points, size)
