"""No concept shift: an image is called the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import ConceptShift, Indices


@dataclass(frozen=True, slots=True)
class NoConceptShift(ConceptShift):
    """All clients take all images for what the data says."""

    def relabel(
        self, train: Indices, test: Indices, classes: int, generator: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """Returns the labels as they are."""
        return train, test
