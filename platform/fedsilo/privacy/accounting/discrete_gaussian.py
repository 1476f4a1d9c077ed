"""Exact draws from the discrete Gaussian, many at a time, all decided by one key.

N_Z(0, sigma^2) has P(x) proportional to exp(-x^2 / (2 sigma^2)) on the integers. As in Canonne, Kamath and Steinke,
"The Discrete Gaussian for Differential Privacy", NeurIPS 2020, arXiv:2004.00010, algorithms 1 to 3, a candidate is x
= +-(U + t V) with t = floor(sigma) + 1, U uniform on {0, ..., t - 1}, V geometric with P(V >= k) = e^-k. A candidate -0
is dropped, and any other is kept with probability exp(-gamma), gamma = U / t + (x - sigma^2 / t)^2 / (2 sigma^2) for
|x|.
(The paper decides on the two terms of gamma one after the other; together it is the same.)

Exact means: as if every decision were made with infinitely many random bits and exact numbers. A decision is whether a
uniform u is below exp(-gamma), or below e^-k. 53 bits of u and a float for the other side decide it unless they are
within `margin`, which is larger than all errors of rounding (2^-44 where 2^-48 can be proved, whatever library computes
exp). The remaining decisions, one in 10^13, are made with as many further bits and digits as needed. So the outcome
depends on neither margin nor platform, only on the key: ChaCha20 under it is the source of all bits. A key from
`os.urandom` makes a draw private; a key derived from a scenario's seed makes it repeatable, in simulation.

OpenDP has an exact sampler too. It draws one number at a time, 10 to 50 times slower, and cannot be seeded: no run
could
be repeated with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import cached_property

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

from fedsilo.core.errors import PrivacyBudgetError

SMALLEST, LARGEST = 0.01, 2.0**28
"""Range of deviations that the margin is proved for."""
KEY_BYTES = 32
WORDS = 3
"""Words of 64 bits for one candidate: U and sign, V, and whether it is kept."""
TAKEN = 2.3
"""Candidates for one draw, at most about."""
POWERS = np.exp(-np.arange(1.0, 46.0))[::-1]
"""e^-45, ..., e^-1; 2^-64 is above the first."""


@dataclass(frozen=True)
class DiscreteGaussian:
    """A sampler of N_Z(0, deviation^2).

    Attributes:
        deviation: The parameter sigma, 0.01 to 2^28; from about 1 on it is the standard deviation too.
        margin: Distance below which a comparison of floats decides nothing. A larger margin changes no draw.
    """

    deviation: float
    margin: float = 2.0**-44

    def __post_init__(self) -> None:
        if not SMALLEST <= self.deviation <= LARGEST:
            raise PrivacyBudgetError(
                f"discrete Gaussian: deviation must be from {SMALLEST} to {LARGEST:.0f}, got {self.deviation}."
            )

    def sample(self, count: int, key: bytes) -> NDArray[np.int64]:
        """Draws independent numbers; fewer draws under the same key are the first of these.

        Args:
            count: Number of draws.
            key: 32 bytes, used for nothing else: the same key gives the same draws.

        Returns:
            (count,) draws.

        Raises:
            PrivacyBudgetError: The key has another size.
        """
        if len(key) != KEY_BYTES:
            raise PrivacyBudgetError(f"discrete Gaussian: a key has {KEY_BYTES} bytes, got {len(key)}.")
        stream = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
        kept: list[NDArray[np.int64]] = []
        missing, first = count, 0
        while missing > 0:
            size = int(TAKEN * missing) + 64
            words = np.frombuffer(stream.update(bytes(8 * WORDS * size)), dtype="<u8").reshape(size, WORDS)
            kept.append(self._kept(words, first, key)[:missing])
            missing, first = missing - len(kept[-1]), first + size
        return np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)

    @cached_property
    def _scale(self) -> int:
        return math.floor(self.deviation) + 1

    def _kept(self, words: NDArray[np.uint64], first: int, key: bytes) -> NDArray[np.int64]:
        """Those of the candidates first, first + 1, ... that are kept, in order; words is (candidates, 3)."""
        scale = np.uint64(self._scale)
        half = words[:, 0] >> np.uint64(1)
        uniform = (half % scale).astype(np.int64)
        times = self._geometric(words[:, 1], first, key)
        size = uniform + times * self._scale
        negative = (words[:, 0] & np.uint64(1)).astype(bool)
        # 2^63 is no multiple of the scale: numbers in its last, incomplete period are dropped.
        fair = half < (np.uint64(2**63) // scale) * scale
        possible = np.flatnonzero(fair & ~(negative & (size == 0)))
        decided = self._accepted(words[possible, 2], uniform[possible], size[possible])
        for at in np.flatnonzero(decided < 0):
            candidate = int(possible[at])
            bits = _Uniform(int(words[candidate, 2]), key, 2 * (first + candidate) + 2)
            decided[at] = bits.below(self._exponent(int(uniform[candidate]), int(size[candidate])))
        accepted = possible[decided > 0]
        return np.where(negative[accepted], -size[accepted], size[accepted])

    def _geometric(self, words: NDArray[np.uint64], first: int, key: bytes) -> NDArray[np.int64]:
        """V of each candidate: how many of e^-1, e^-2, ... its uniform is below."""
        uniform = _float(words)
        above = np.searchsorted(POWERS, uniform, side="right")
        times = len(POWERS) - above
        padded = np.concatenate([[0.0], POWERS, [2.0]])
        unclear = (uniform - padded[above] <= self.margin) | (padded[above + 1] - uniform <= self.margin)
        for candidate in np.flatnonzero(unclear):
            bits = _Uniform(int(words[candidate]), key, 2 * (first + int(candidate)) + 1)
            times[candidate] = bits.geometric()
        return times

    def _accepted(
        self, words: NDArray[np.uint64], uniform: NDArray[np.int64], size: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        """1: kept, 0: dropped, -1: floats cannot decide."""
        centre = self.deviation * self.deviation / self._scale
        exponent = uniform / self._scale + np.square((size - centre) / self.deviation) / 2
        probability, draw = np.exp(-exponent), _float(words)
        decided: NDArray[np.int8] = (draw < probability).astype(np.int8)
        decided[np.abs(draw - probability) <= self.margin] = -1
        return decided

    def _exponent(self, uniform: int, size: int) -> Fraction:
        """The exact gamma; a float is a fraction."""
        variance = Fraction(self.deviation) ** 2
        return Fraction(uniform, self._scale) + (size - variance / self._scale) ** 2 / (2 * variance)


def _float(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The first 53 bits of uniforms in [0, 1): at most 2^-53 below them."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


class _Uniform:
    """A uniform number in [0, 1) with as many bits as are needed.

    Its first 64 bits are given; the others are a ChaCha20 stream of its own under the same key.
    """

    def __init__(self, word: int, key: bytes, number: int) -> None:
        nonce = bytes(8) + number.to_bytes(8, "little")  # behind the counter; the common stream has 0
        self._more: Callable[[bytes], bytes] = Cipher(algorithms.ChaCha20(key, nonce), mode=None).encryptor().update
        self._value, self._bits = word, 64

    def below(self, exponent: Fraction) -> bool:
        """Returns whether it is below exp(-exponent), for an exponent >= 0."""
        digits = 25
        while True:
            if self._value and exponent >= self._bits:
                return False  # it is at least 2^-bits, and e > 2
            low, high = _exponential(exponent, digits)
            while self._bits < 3.4 * digits:
                self._value, self._bits = (
                    self._value << 64 | int.from_bytes(self._more(bytes(8)), "big"),
                    self._bits + 64,
                )
            if Fraction(self._value + 1, 1 << self._bits) <= low:
                return True
            if Fraction(self._value, 1 << self._bits) >= high:
                return False
            digits *= 2

    def geometric(self) -> int:
        """Returns how many of e^-1, e^-2, ... it is below."""
        times = 0
        while self.below(Fraction(times + 1)):
            times += 1
        return times


def _exponential(exponent: Fraction, digits: int) -> tuple[Fraction, Fraction]:
    """Bounds of exp(-exponent), a few units of the last of `digits` digits apart."""
    # Exact here; a sign in front of a Decimal would round it to the thread's own precision.
    top, bottom = Decimal(-exponent.numerator), Decimal(exponent.denominator)
    below = Context(prec=digits, rounding=ROUND_FLOOR).divide(top, bottom)
    above = Context(prec=digits, rounding=ROUND_CEILING).divide(top, bottom)
    context = Context(prec=digits)  # its exp is rounded correctly, so one unit down and up are bounds
    return Fraction(context.exp(below).next_minus(context)), Fraction(context.exp(above).next_plus(context))
