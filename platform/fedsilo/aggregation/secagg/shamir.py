"""Secrets of 32 bytes in shares of which a threshold opens them and fewer tell nothing.

A secret is the constant term of a random polynomial of degree threshold - 1 modulo a prime just above 2**256, so every
32 bytes are a secret as they are and no share needs padding. Python's integers take time that depends on their values:
nobody who times this precisely must be near (in a simulation nobody is).

Source: Shamir, "How to Share a Secret", CACM 1979.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from fedsilo.core.errors import NotEnoughShares, ProtocolViolation

PRIME = 2**256 + 297
SECRET_SIZE, SHARE_SIZE = 32, 33

Draw = Callable[[int], bytes]
"""Returns so many random bytes; `secrets.token_bytes` but in tests."""


def draw_below(prime: int, draw: Draw) -> int:
    """Returns a uniform number in [0, prime): more bits than the prime has would favour small ones, so it tries."""
    bits = prime.bit_length()
    size = (bits + 7) // 8
    while True:
        number = int.from_bytes(draw(size), "big") >> (8 * size - bits)
        if number < prime:
            return number


def share_out(secret: int, threshold: int, points: Iterable[int], prime: int, draw: Draw) -> dict[int, int]:
    """Returns the value at each point of a random polynomial of degree threshold - 1 with the secret at 0."""
    coefficients = [draw_below(prime, draw) for _ in range(threshold - 1)]
    values = {}
    for point in points:
        value = 0
        for coefficient in coefficients:
            value = (value + coefficient) * point % prime
        values[point] = (value + secret) % prime
    return values


@lru_cache(maxsize=1024)
def lagrange_weights(points: tuple[int, ...], prime: int) -> tuple[int, ...]:
    """Returns Lagrange's weights at 0; kept, because a round opens all its secrets from the same few sets of points."""
    found = []
    for point in points:
        above = below = 1
        for other in points:
            if other != point:
                above = above * other % prime
                below = below * (other - point) % prime
        found.append(above * pow(below, -1, prime) % prime)
    return tuple(found)


def split(secret: bytes, threshold: int, points: Iterable[int], draw: Draw = secrets.token_bytes) -> dict[int, bytes]:
    """Returns a share of 33 bytes for each point.

    Args:
        secret: 32 bytes.
        threshold: Shares that will open it, at least 1 and at most as many as points.
        points: Different numbers in [1, 2**256]; 0 is where the secret is.
        draw: The source of randomness.

    Raises:
        ValueError: The secret's size, the threshold or a point is not as said.
    """
    points = tuple(points)
    sound = len(set(points)) == len(points) >= threshold >= 1 and all(0 < point < PRIME for point in points)
    if len(secret) != SECRET_SIZE or not sound:
        raise ValueError(f"a secret of {len(secret)} bytes cannot be split {threshold} of {len(points)}.")
    values = share_out(int.from_bytes(secret, "big"), threshold, points, PRIME, draw)
    return {point: value.to_bytes(SHARE_SIZE, "big") for point, value in values.items()}


def combine(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """Returns the secret of 32 bytes, from the first `threshold` of the shares by their points.

    Shares of another secret, or altered ones, give another secret: compare it with a commitment.

    Raises:
        NotEnoughShares: There are fewer than the threshold.
        ProtocolViolation: The shares give no secret of 32 bytes, so at least one is wrong.
    """
    if len(shares) < threshold:
        raise NotEnoughShares(f"{len(shares)} shares cannot open a secret that takes {threshold}.")
    points = tuple(sorted(shares))[:threshold]
    terms = zip(lagrange_weights(points, PRIME), points, strict=True)
    secret = sum(weight * int.from_bytes(shares[point], "big") for weight, point in terms) % PRIME
    if secret >= 256**SECRET_SIZE:
        raise ProtocolViolation("secure sum: the shares of a secret do not belong together.", reason="wrong shares")
    return secret.to_bytes(SECRET_SIZE, "big")
