"""`noniid-labeluni` of FedOTP's repository: a few classes per client, each cut into slightly uneven parts.

Every client owns a few classes (2 of CIFAR-10, 10 of CIFAR-100), and the owners of a class share its images in parts
drawn from U(0.4, 0.6), normalised, for train and test alike.

Source: FedOTP, arXiv:2403.00041; the scheme is FedRep's (Collins et al., ICML 2021, arXiv:2102.07078).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import FeatureExtractor, LabelledImages, Partition, Share
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing.shift_composition import Composition
from fedsilo.partitioning.shifts.feature.none import NoFeatureShift
from fedsilo.partitioning.shifts.label.classes import Classes
from fedsilo.partitioning.shifts.quantity.natural import Natural

PARTS = (0.4, 0.6)


@dataclass(frozen=True, slots=True)
class NoniidLabeluni(Partition):
    """Label shift by a few classes per client, each with several clients."""

    clients: int = key(100, "Number of clients.", within=">= 1")
    per_client: int = key(2, "Classes of each client; the paper has 2 of CIFAR-10 and 10 of CIFAR-100.", within=">= 1")

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Gives each client a few classes and a part of their images.

        Args:
            images: The data.
            generator: Random generator of all draws.
            look: Computes image features; not used.

        Returns:
            One share per client, in client order.

        Raises:
            DataError: A client cannot have its classes.
        """
        label = Classes(self.per_client, overlap=True, uneven=PARTS)
        return Composition(label, NoFeatureShift(), Natural(), self.clients).split(images, generator, look)
