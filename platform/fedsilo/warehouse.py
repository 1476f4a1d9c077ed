"""What the clients of a run hold, as parts of arrays that all clients of a machine share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from fedsilo.client import ClientData
from fedsilo.contracts import FeatureSource, Indices


@dataclass(frozen=True, slots=True)
class Subset:
    """Some examples of a feature source, without copying it."""

    source: FeatureSource
    positions: Indices

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.positions)

    def batch(self, indices: Indices, view: int) -> tuple[Tensor, Tensor | None]:
        """Returns the features of examples by their number within the subset."""
        return self.source.batch(self.positions[indices], view)

    def on(self, device: str) -> Subset:
        """Returns the same examples of a source that encodes on a device, if it does encode."""
        return replace(self, source=self.source.on(device))


@dataclass(frozen=True, slots=True)
class Held:
    """The features of those examples of a split that some client holds, found by their positions in the split.

    Attributes:
        source: Features of the held examples only.
        positions: (h,) their positions in the split, ascending.
    """

    source: FeatureSource
    positions: Indices

    def __len__(self) -> int:
        """Returns the number of examples held."""
        return len(self.positions)

    def batch(self, indices: Indices, view: int) -> tuple[Tensor, Tensor | None]:
        """Returns the features of held examples by their positions in the split."""
        return self.source.batch(np.searchsorted(self.positions, indices), view)

    def on(self, device: str) -> Held:
        """Returns the same examples of a source that encodes on a device, if it does encode."""
        return replace(self, source=self.source.on(device))


@dataclass(frozen=True, slots=True)
class Warehouse:
    """All features and labels of a run; put into the object store once and read without a copy.

    Attributes:
        train: Features of the training split.
        train_labels: (n,) classes.
        test: Features of the test split.
        test_labels: (N,) classes.
    """

    train: FeatureSource
    train_labels: Indices
    test: FeatureSource
    test_labels: Indices

    def on(self, device: str) -> Warehouse:
        """Returns the warehouse with what is encoded only when it is asked for encoded on a device."""
        return replace(self, train=self.train.on(device), test=self.test.on(device))

    def portion(self, client: int, train: Indices, test: Indices) -> ClientData:
        """Returns what a client with these training and test positions holds."""
        return ClientData(
            number=client,
            train=Subset(self.train, train),
            train_labels=self.train_labels[train],
            test=self.test,
            test_labels=self.test_labels,
            own_test=test,
        )
