"""Secrets of 32 bytes in shares: a threshold of shares opens a secret, fewer reveal nothing.

A secret is the constant term of a random polynomial of degree threshold - 1 modulo a prime just above 2**256, so every
32 bytes are a valid secret. Not protected: Python's integers take time that depends on their values, so an attacker who
measures this time precisely is out of scope (in a simulation there is none).

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
"""draw(count) returns `count` random bytes; `secrets.token_bytes` except in tests."""


def draw_below(prime: int, draw: Draw) -> int:
    """Draws a uniform number by rejection, because a remainder would favour small numbers.

    Args:
        prime: The bound.
        draw: The source of randomness.

    Returns:
        In [0, prime).
    """
    bits = prime.bit_length()
    size = (bits + 7) // 8
    while True:
        number = int.from_bytes(draw(size), "big") >> (8 * size - bits)
        if number < prime:
            return number


def share_out(secret: int, threshold: int, points: Iterable[int], prime: int, draw: Draw) -> dict[int, int]:
    """Evaluates a random polynomial of degree threshold - 1 with the secret at 0.

    Args:
        secret: In [0, prime).
        threshold: Shares that will open the secret.
        points: Where the polynomial is evaluated.
        prime: The modulus.
        draw: The source of randomness.

    Returns:
        The value at each point.
    """
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
    """Computes Lagrange's weights at 0; cached, because a round opens all its secrets from the same few sets of points.

    Args:
        points: Points of the shares.
        prime: The modulus.

    Returns:
        The weight of each point, in order.
    """
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
    """Splits a secret into shares.

    Args:
        secret: 32 bytes.
        threshold: Shares that will open it, at least 1 and at most as many as points.
        points: Different numbers in [1, 2**256]; 0 is where the secret is.
        draw: The source of randomness.

    Returns:
        A share of 33 bytes for each point.

    Raises:
        ValueError: The secret's size, the threshold or a point is invalid.
    """
    points = tuple(points)
    sound = len(set(points)) == len(points) >= threshold >= 1 and all(0 < point < PRIME for point in points)
    if len(secret) != SECRET_SIZE or not sound:
        raise ValueError(f"a secret of {len(secret)} bytes cannot be split {threshold} of {len(points)}.")
    values = share_out(int.from_bytes(secret, "big"), threshold, points, PRIME, draw)
    return {point: value.to_bytes(SHARE_SIZE, "big") for point, value in values.items()}


def combine(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """Opens a secret from the first `threshold` of the shares by their points.

    Shares of another secret, or altered ones, give another secret: compare the result with a commitment.

    Args:
        shares: Shares of 33 bytes, by point.
        threshold: Shares that open the secret.

    Returns:
        The secret, 32 bytes.

    Raises:
        NotEnoughShares: There are fewer shares than the threshold.
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
