"""No quantity shift: sizes follow from the label and feature shifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Floats, QuantityShift


@dataclass(frozen=True, slots=True)
class Natural(QuantityShift):
    """Sizes of the label shift: equal under iid, uneven under dirichlet."""

    def weights(self, clients: int, generator: np.random.Generator) -> Floats | None:
        """Leaves sizes to the label shift.

        Args:
            clients: Number of clients.
            generator: Not used.

        Returns:
            None.
        """
        return None
