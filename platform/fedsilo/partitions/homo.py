"""`homo` of the federated learning repositories: examples shuffled and cut into equal parts, as `label: iid`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import LabelledImages, Look, Partition, Share
from fedsilo.fields import key
from fedsilo.shifts.feature.none import NoFeatureShift
from fedsilo.shifts.label.iid import Iid
from fedsilo.shifts.quantity.natural import Natural
from fedsilo.splitting.composition import Composition


@dataclass(frozen=True, slots=True)
class Homo(Partition):
    """No shift: every client draws from the same distribution."""

    clients: int = key(10, "Number of clients.", within=">= 1")

    def split(self, images: LabelledImages, generator: np.random.Generator, look: Look) -> list[Share]:
        """Returns one share per client. Raises DataError when there are fewer examples than clients."""
        return Composition(Iid(), NoFeatureShift(), Natural(), self.clients).shares(images, generator, look)
