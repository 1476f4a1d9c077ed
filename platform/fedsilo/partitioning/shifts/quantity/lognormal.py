"""Quantity shift: sizes from a lognormal distribution, with a few large clients among many small ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Floats, QuantityShift
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing.integer_rounding import FAINTEST


@dataclass(frozen=True, slots=True)
class Lognormal(QuantityShift):
    """Relative sizes exp(sigma z) with z standard normal."""

    sigma: float = key(1.0, "Spread: 0 is equal sizes, at 1 one client in six has e times the median.", within=">= 0")

    def weights(self, clients: int, generator: np.random.Generator) -> Floats | None:
        """Draws relative sizes.

        Args:
            clients: Number of clients.
            generator: Random generator of the draws.

        Returns:
            (clients,) sizes in [1e-9, 1]; the largest is 1.
        """
        draws = self.sigma * generator.standard_normal(clients)
        return np.asarray(np.maximum(np.exp(draws - draws.max()), FAINTEST))
