"""No feature shift: all clients draw from all images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import FeatureExtractor, FeatureShift, Grouping, LabelledImages

USUAL = 10


@dataclass(frozen=True, slots=True)
class NoFeatureShift(FeatureShift):
    """All clients draw from all images, whatever their domain."""

    def grouping(
        self, images: LabelledImages, clients: int | None, generator: np.random.Generator, look: FeatureExtractor
    ) -> Grouping:
        """Puts all images into one group.

        Args:
            images: The data.
            clients: Number of clients; None: 10.
            generator: Not used.
            look: Computes image features; not used.

        Returns:
            One group for all clients.
        """
        train, test = (np.zeros(len(split), dtype=np.int64) for split in (images.train, images.test))
        return Grouping(train, test, ("",), np.ones((1, USUAL if clients is None else clients)))
