"""Quantity shift: sizes by a power law; the n-th largest client has n^-exponent of the largest.

Source: the sizes of LEAF's and FedProx's synthetic data (Li et al., MLSys 2020, arXiv:1812.06127) follow one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Floats, QuantityShift
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing.integer_rounding import FAINTEST


@dataclass(frozen=True, slots=True)
class PowerLaw(QuantityShift):
    """Relative sizes 1, 2^-exponent, 3^-exponent, ..., in random order."""

    exponent: float = key(1.0, "0 is equal sizes, 1 is Zipf's law.", within=">= 0")

    def weights(self, clients: int, generator: np.random.Generator) -> Floats | None:
        """Assigns the sizes of a power law to clients in random order.

        Args:
            clients: Number of clients.
            generator: Random generator of the draws.

        Returns:
            (clients,) sizes in [1e-9, 1]; the largest is 1.
        """
        return np.asarray(np.maximum(generator.permutation(np.arange(1, clients + 1)) ** -self.exponent, FAINTEST))
