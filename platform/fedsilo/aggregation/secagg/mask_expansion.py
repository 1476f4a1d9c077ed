"""Masks: a key expanded to uniform residues modulo 2**32, and added to or subtracted from a vector.

ChaCha20 with a fresh key per mask and a nonce of zeros, read as little-endian numbers of four bytes. Every residue is
equally likely; this holds only because the modulus is a power of two.

Assumed: a key is used for one mask only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from fedsilo.aggregation.secagg.modular_vectors import Residues

BLOCK = 1 << 15
"""Coordinates expanded at a time: two buffers and the piece of the vector fit the processor's cache."""
ZERO_COUNTER_AND_NONCE = bytes(16)


class MaskStream:
    """Adds masks to vectors of one length; its buffers are reused from mask to mask.

    Attributes:
        dim: Coordinates of a vector.
    """

    def __init__(self, dim: int) -> None:
        """Reserves buffers for vectors of `dim` coordinates."""
        self.dim = dim
        self._zeros = bytes(4 * min(dim, BLOCK))
        self._expanded = np.empty(min(dim, BLOCK), dtype="<u4")

    def add(self, vector: Residues, key: bytes) -> None:
        """Adds the mask of a key to a vector, in place.

        Args:
            vector: (d,) residues.
            key: 32 bytes, used for this mask only.
        """
        self._apply(np.add, vector, key)

    def subtract(self, vector: Residues, key: bytes) -> None:
        """Subtracts the mask of a key from a vector, in place.

        Args:
            vector: (d,) residues.
            key: The 32 bytes that the mask was added with.
        """
        self._apply(np.subtract, vector, key)

    def _apply(self, operation: Callable[..., Residues], vector: Residues, key: bytes) -> None:
        stream = Cipher(ChaCha20(key, ZERO_COUNTER_AND_NONCE), mode=None).encryptor()
        zeros, expanded = memoryview(self._zeros), self._expanded.view(np.uint8).data
        for start in range(0, self.dim, BLOCK):
            piece = vector[start : start + BLOCK]
            stream.update_into(zeros[: 4 * piece.size], expanded[: 4 * piece.size])
            operation(piece, self._expanded[: piece.size], out=piece)
