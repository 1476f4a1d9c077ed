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
    label: LabelShift | None = slot("iid", "How the clients' labels differ.")
    feature: FeatureShift | None = slot("none", "How the clients' images differ, by the images that they draw from.")
    quantity: QuantityShift | None = slot("natural", "How many training images clients have.")
    min_train: int = key(1, "Least number of training examples of each client.", within=">= 1")
    min_test: int = key(1, "Least number of test examples of each client, where `test` is client.", within=">= 1")
    long_tail: float = key(
        1.0,
        "Makes classes unequal first: training images of the most frequent class per image of the rarest; the other "
        "classes lie between; the remaining images are not used.",
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
            measured_on_all=self.measured_on(images) == "global",
            long_tail=self.long_tail,
        )
        return composition.split(images, generator, look)
