"""The default partition: a label, a feature and a quantity shift by name (`dealing/shift_composition.py`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import FeatureExtractor, FeatureShift, LabelledImages, LabelShift, Partition, QuantityShift, Share
from fedsilo.core.config_fields import key, slot
from fedsilo.partitioning.dealing.shift_composition import Composition
from fedsilo.partitioning.shifts.feature.none import NoFeatureShift
from fedsilo.partitioning.shifts.label.iid import Iid
from fedsilo.partitioning.shifts.quantity.natural import Natural


@dataclass(frozen=True, slots=True)
class ComposedPartition(Partition):
    """Clients that differ in labels, images and sizes as each shift determines; equal parts of all data by default."""

    clients: int | None = key(
        None, "Number of clients; null: one per domain or cluster under such a feature shift, else 10.", within=">= 1"
    )
    label: LabelShift | None = slot("iid", "How their labels differ.")
    feature: FeatureShift | None = slot("none", "How the looks of their images differ, by which they draw from.")
    quantity: QuantityShift | None = slot("natural", "How many training images they have.")
    min_train: int = key(1, "Training examples that every client gets at the least.", within=">= 1")
    min_test: int = key(1, "Test examples that every client gets at the least.", within=">= 1")
    long_tail: float = key(
        1.0,
        "Makes classes unequal first: the most frequent class keeps so many training images for one of the rarest, "
        "the others lie between; the rest is not used.",
        within=">= 1",
    )

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Splits the data by the three shifts.

        Args:
            images: The data.
            generator: Random generator of all draws.
            look: Computes image features, for feature shifts that need them.

        Returns:
            One share per client, in client order.

        Raises:
            DataError: The data cannot be split so.
        """
        composition = Composition(
            label=self.label or Iid(),
            feature=self.feature or NoFeatureShift(),
            quantity=self.quantity or Natural(),
            clients=self.clients,
            min_train=self.min_train,
            min_test=self.min_test,
            long_tail=self.long_tail,
        )
        return composition.split(images, generator, look)
