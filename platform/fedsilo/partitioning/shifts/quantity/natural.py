"""No quantity shift of its own: sizes are what the label and feature shifts make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Floats, QuantityShift


@dataclass(frozen=True, slots=True)
class Natural(QuantityShift):
    """Whatever the label shift gives: equal parts under iid, uneven ones under dirichlet."""

    def weights(self, clients: int, generator: np.random.Generator) -> Floats | None:
        """Returns None."""
        return None
