"""Draws that privacy rests on: Gaussian noise and Poisson samples, all determined by one key of 32 bytes.

ChaCha20 under the key is the only source of bits, as for the discrete Gaussian and for masks: there are 2^256 streams,
and without the key a stream cannot be distinguished from uniform bits. torch's generator on the CPU keeps 32 bits of
its seed, so two of 100,000 streams are equal with a probability of two thirds, and 2^32 streams can be tried.

Gaussian numbers are drawn in float64 by the method of Box and Muller, from uniform numbers of 53 bits. None is more
than sqrt(2 * 53 * ln 2) = 8.57 deviations from 0; a true Gaussian number is with a probability of 1e-17. In float32 the
bound would be 5.77 deviations with a probability of 8e-9, which is not below the delta of many releases.

Source: Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958; ChaCha20 is RFC 8439's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

KEY_BYTES, ZERO_COUNTER_AND_NONCE = 32, bytes(16)
BITS = 53
"""Bits of a uniform number: all that a float64 in [0, 1) can have at equal distances."""


class KeyedGenerator:
    """A generator of numbers under one key; each call continues the stream.

    Attributes:
        key: The 32 bytes that determine all draws; used for nothing else.
    """

    def __init__(self, key: bytes) -> None:
        """Begins the stream of a key."""
        self.key = key
        self._stream = Cipher(ChaCha20(key, ZERO_COUNTER_AND_NONCE), mode=None).encryptor()

    def uniform(self, count: int) -> Tensor:
        """Draws independent uniform numbers.

        Args:
            count: How many.

        Returns:
            (count,) numbers in [0, 1), float64, multiples of 2^-53, on the CPU.
        """
        import torch

        return torch.from_numpy(self._uniform(count))

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Draws independent numbers from N(0, 1).

        Args:
            shape: Shape of the result.

        Returns:
            Numbers within 8.57 of 0, float64, on the CPU.
        """
        import torch

        count = math.prod(shape)
        pairs = self._uniform(2 * (-(-count // 2))).reshape(-1, 2)
        radius = np.sqrt(-2.0 * np.log1p(-pairs[:, 0]))  # 1 - u is in (0, 1]
        angle = 2.0 * np.pi * pairs[:, 1]
        numbers = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:count]
        return torch.from_numpy(numbers.reshape(tuple(shape)))

    def _uniform(self, count: int) -> NDArray[np.float64]:
        words = np.frombuffer(self._stream.update(bytes(8 * count)), dtype="<u8")
        return (words >> np.uint64(64 - BITS)).astype(np.float64) * 2.0**-BITS
