"""No concept shift: an image has the same label at every client."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import ConceptShift, Indices


@dataclass(frozen=True, slots=True)
class NoConceptShift(ConceptShift):
    """All clients use the data's own labels."""

    def relabel(
        self, train: Indices, test: Indices, classes: int, generator: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """Keeps all labels.

        Args:
            train: (n,) labels of the client's training images in the data.
            test: (m,) labels of its test images in the data.
            classes: Number of classes.
            generator: Not used.

        Returns:
            The labels, unchanged.
        """
        return train, test
