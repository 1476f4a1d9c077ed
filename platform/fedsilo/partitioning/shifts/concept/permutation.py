"""Concept shift by convention: some clients mean something else by the names of some classes.

The client's test labels follow: it is right by its own convention. Neighbours are measured by theirs.

Source: the "concept shift" (same features, different labels) of Kairouz et al., "Advances and open problems in
federated learning", 2021, arXiv:1912.04977, section 3.1; permuted labels as in Sattler et al., arXiv:1910.01991.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import ConceptShift, Indices
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError


@dataclass(frozen=True, slots=True)
class Permutation(ConceptShift):
    """Some clients use each other's names for a few of the classes, in a circle; each client its own circle."""

    swapped: int = key(2, "Classes that change names with each other, drawn for each client; 0: all.", within=">= 0")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        return ["swapped: one class alone cannot change names. Use 0 (all) or at least 2."] if self.swapped == 1 else []

    def relabel(
        self, train: Indices, test: Indices, classes: int, generator: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """Returns both splits' labels under the client's names. Raises DataError for more classes than there are.

        The names are drawn among the classes that it trains on first, or is measured on if it never does: other names
        for what it never sees would change nothing.
        """
        if self.swapped > classes:
            raise DataError(
                f"partition.concept.swapped: {self.swapped} classes cannot change names, there are {classes}. Use "
                "fewer, or 0 for all."
            )
        order = generator.permutation(classes)
        order = order[np.argsort(~np.isin(order, train if len(train) else test), kind="stable")]
        circle = order[: self.swapped or classes]
        names = np.arange(classes)
        names[circle] = np.roll(circle, 1)
        return names[train], names[test]
