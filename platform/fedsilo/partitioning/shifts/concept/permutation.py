"""Concept shift by convention: some clients use the names of some classes with other meanings.

The client's test labels follow its convention. Neighbours are measured by their own conventions.

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
    """Cyclic exchange of the names of a few classes, drawn for each affected client."""

    swapped: int = key(2, "Number of classes that exchange names, drawn for each client; 0: all.", within=">= 0")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        return (
            ["swapped: a single class cannot exchange names. Use 0 (all) or at least 2."] if self.swapped == 1 else []
        )

    def relabel(
        self, train: Indices, test: Indices, classes: int, generator: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """Renames classes in both splits.

        The renamed classes are drawn first among those that the client trains on, or is measured on if it never trains:
        other names for classes that it never sees would change nothing.

        Args:
            train: (n,) labels of the client's training images in the data.
            test: (m,) labels of its test images in the data.
            classes: Number of classes.
            generator: Random generator of the draws.

        Returns:
            (n,) and (m,) labels under the client's names.

        Raises:
            DataError: `swapped` is greater than the number of classes.
        """
        if self.swapped > classes:
            raise DataError(
                f"partition.concept.swapped: {self.swapped} classes cannot exchange names, there are {classes}. Use "
                "fewer, or 0 for all."
            )
        order = generator.permutation(classes)
        order = order[np.argsort(~np.isin(order, train if len(train) else test), kind="stable")]
        circle = order[: self.swapped or classes]
        names = np.arange(classes)
        names[circle] = np.roll(circle, 1)
        return names[train], names[test]
