"""Real vectors as residues modulo 2**32 whose sum cannot wrap, and back.

A coordinate x becomes round(s x). Residues are added exactly, so the only error of a sum is the rounding of its terms.

Letters: n clients, R bound on a client's coordinate, s scale, C norm, d coordinates, sigma deviation of the noise sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedsilo.core.errors import ScenarioError

Residues = NDArray[np.uint32]
"""A vector of residues modulo 2**32, `(d,)`."""
MOST = 2**31 - 1
"""Largest centred residue."""
DEVIATIONS = 10.0
"""Deviations of the noise that the ring has room for: a coordinate wraps with probability 1.5e-23."""
INFLATION = 0.02
"""Largest share that rounding may add to the sensitivity."""


def wrap(values: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Converts whole numbers, negative ones too, to residues.

    Args:
        values: Any shape.

    Returns:
        Residues of the same shape.
    """
    return values.astype(np.uint32)


def centre(residues: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Converts residues to the whole numbers in [-2**31, 2**31) that they stand for.

    Args:
        residues: Any shape.

    Returns:
        Whole numbers of the same shape, on the same memory.
    """
    return residues.view(np.int32)


@dataclass(frozen=True, slots=True)
class RingCodec:
    """Encoding of real vectors of up to n clients as residues.

    Attributes:
        clients: Most vectors in one sum; n.
        bound: Largest absolute value of one client's coordinate, a public number; R > 0.
        deviation: Deviation of all noise in the sum together, in units of the vector; 0 without noise. Noise is added
            to
            residues (deviation * scale there), so it has its own room beside the bound.
    """

    clients: int
    bound: float
    deviation: float = 0.0

    def __post_init__(self) -> None:
        sound = math.isfinite(self.bound) and self.bound > 0 and math.isfinite(self.deviation) and self.deviation >= 0
        if not (sound and 1 <= self.clients < MOST):
            raise ScenarioError(
                f"secure sum: {self.clients} clients, bound {self.bound}, deviation {self.deviation}: "
                "clients and bound must be positive, the deviation 0 or more, all finite."
            )
        if self.scale * self.bound < 1:
            raise ScenarioError(
                f"secure sum: bound {self.bound} is less than one step of 1/{self.scale:g} with {self.clients} clients "
                f"and noise of deviation {self.deviation}: all would be rounded away. Use less noise or fewer clients."
            )

    @property
    def scale(self) -> float:
        """Ring units per unit of the vector; s.

        The largest power of two with n (s R + 1) + 10 s sigma <= 2**31 - 1, so a sum of n rounded vectors within the
        bound,
        with noise up to ten deviations, does not wrap. With a power of two scaling is exact, and rounding is the only
        error: at
        most 1 / (2 s) for each vector.
        """
        room = (MOST - self.clients) / (self.clients * self.bound + DEVIATIONS * self.deviation)
        return math.ldexp(1.0, math.frexp(room * (1 - 2.0**-50))[1] - 1)  # less what computing the room may round up

    @property
    def most_count(self) -> int:
        """Largest count that one client may send."""
        return (2**32 - 1) // self.clients

    def encode(self, vector: ArrayLike, clamp: bool = False) -> NDArray[np.uint32]:
        """Rounds a vector to residues.

        Args:
            vector: (d,) finite numbers, taken as float64.
            clamp: Whether coordinates beyond the bound are cut to it; by default they are refused.

        Returns:
            (d,) residues, in new memory.

        Raises:
            ValueError: A coordinate is beyond the bound or not finite.
        """
        exact = np.array(vector, dtype=np.float64)
        if clamp:
            np.clip(exact, -self.bound, self.bound, out=exact)
        largest = float(np.max(np.abs(exact), initial=0.0))
        if not largest <= self.bound:  # also when it is no number
            raise ValueError(f"secure sum: a coordinate of {largest:g} is beyond the bound {self.bound:g}.")
        exact *= self.scale
        return wrap(np.rint(exact, out=exact).astype(np.int64))

    def decode(self, total: NDArray[np.uint32]) -> NDArray[np.float64]:
        """Converts a sum of residues back.

        Args:
            total: (d,) residues.

        Returns:
            (d,) the sum of the real vectors.
        """
        return centre(np.ascontiguousarray(total, dtype=np.uint32)) / self.scale

    def encode_count(self, count: int) -> np.uint32:
        """Encodes a whole number as one coordinate, which is summed exactly.

        Args:
            count: The number, in [0, `most_count`].

        Returns:
            Its residue.

        Raises:
            ValueError: The number is negative, or so large that a sum of n such numbers could wrap.
        """
        if not 0 <= count <= self.most_count:
            raise ValueError(f"secure sum: a count must be in [0, {self.most_count}], got {count}.")
        return np.uint32(count)

    def decode_count(self, total: np.uint32) -> int:
        """Converts a sum of counts back.

        Args:
            total: The sum's residue.

        Returns:
            The sum.
        """
        return int(total)

    def sensitivity(self, norm: float, dim: int) -> float:
        """Bounds the distance, in ring units, of two rounded vectors whose originals were at most `norm` apart.

        Rounding moves each coordinate by less than one ring unit, so the bound is s C + sqrt(d).

        Args:
            norm: L2 distance of neighbouring inputs, C (zero out one) or 2 C (replace one).
            dim: Coordinates, d.

        Returns:
            The bound.

        Raises:
            ScenarioError: Rounding would add more than 2 %, for which noise would be spent.
        """
        exact, rounding = self.scale * norm, math.sqrt(dim)
        if rounding > INFLATION * exact:
            raise ScenarioError(
                f"secure sum: rounding {dim} coordinates to steps of 1/{self.scale:g} adds {rounding:g} steps to a "
                f"norm of {exact:g}. Use less noise, fewer clients or fewer coordinates."
            )
        return exact + rounding
