"""Clients of one size, whatever their labels: the "balanced" variant of a label shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Floats, QuantityShift


@dataclass(frozen=True, slots=True)
class Equal(QuantityShift):
    """The same number of training images for every client, or of those who share a domain."""

    def weights(self, clients: int, generator: np.random.Generator) -> Floats | None:
        """Returns ones."""
        return np.ones(clients)
