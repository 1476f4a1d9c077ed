"""Quantity shift: sizes in proportions from a Dirichlet distribution.

Source: the "quantity skew" of Li, Diao, Chen and He, "Federated learning on non-IID data silos: an experimental study",
ICDE 2022, arXiv:2102.02079.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Floats, QuantityShift
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.integer_rounding import FAINTEST, draw_log_dirichlet


@dataclass(frozen=True, slots=True)
class DirichletSizes(QuantityShift):
    """Relative sizes from Dir(beta, ..., beta)."""

    beta: float = key(0.5, "Concentration, above 0: 0.1 is very uneven, 100 nearly equal.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        return assignment.beta_problems(self.beta)

    def weights(self, clients: int, generator: np.random.Generator) -> Floats | None:
        """Draws relative sizes.

        Args:
            clients: Number of clients.
            generator: Random generator of the draws.

        Returns:
            (clients,) sizes that add up to 1, before each is raised to at least 1e-9.
        """
        return np.asarray(np.maximum(np.exp(draw_log_dirichlet(1, clients, self.beta, generator))[0], FAINTEST))
