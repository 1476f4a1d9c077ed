"""`homo` of the federated learning repositories: shuffled examples in equal parts, as with `label: iid`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import FeatureExtractor, LabelledImages, Partition, Share
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing.shift_composition import Composition
from fedsilo.partitioning.shifts.feature.none import NoFeatureShift
from fedsilo.partitioning.shifts.label.iid import Iid
from fedsilo.partitioning.shifts.quantity.natural import Natural


@dataclass(frozen=True, slots=True)
class Homo(Partition):
    """No shift: all clients draw from the same distribution."""

    clients: int = key(10, "Number of clients.", within=">= 1")

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Cuts the shuffled examples into equal parts.

        Args:
            images: The data.
            generator: Random generator of all draws.
            look: Computes image features; not used.

        Returns:
            One share per client, in client order.

        Raises:
            DataError: There are fewer examples than clients.
        """
        return Composition(Iid(), NoFeatureShift(), Natural(), self.clients).split(images, generator, look)
