"""`homo` of the federated learning repositories: examples shuffled and cut into equal parts, as `label: iid`."""

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
    """No shift: every client draws from the same distribution."""

    clients: int = key(10, "Number of clients.", within=">= 1")

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Returns one share per client. Raises DataError when there are fewer examples than clients."""
        return Composition(Iid(), NoFeatureShift(), Natural(), self.clients).split(images, generator, look)
