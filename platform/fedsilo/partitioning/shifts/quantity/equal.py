"""Equal sizes, whatever the labels: the "balanced" variant of a label shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Floats, QuantityShift


@dataclass(frozen=True, slots=True)
class Equal(QuantityShift):
    """The same number of training images for all clients, or for all clients of a domain."""

    def weights(self, clients: int, generator: np.random.Generator) -> Floats | None:
        """Gives all clients the same size.

        Args:
            clients: Number of clients.
            generator: Not used.

        Returns:
            (clients,) ones.
        """
        return np.ones(clients)
