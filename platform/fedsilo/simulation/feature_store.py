"""What the clients of a run hold, as parts of arrays that all clients of a machine share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from fedsilo.core import FeatureSource, Indices
from fedsilo.simulation.client_data import ClientData, Novelty, ValidationImages


@dataclass(frozen=True, slots=True)
class Subset:
    """Some examples of a feature source, without copying it."""

    source: FeatureSource
    positions: Indices

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.positions)

    def batch(self, indices: Indices, view: int) -> Mapping[str, Tensor]:
        """Gives the columns of some examples.

        Args:
            indices: (b,) numbers of examples within the subset.
            view: Which random view of each image; 0 without views.

        Returns:
            Columns with b rows each.
        """
        return self.source.batch(self.positions[indices], view)

    def on(self, device: str) -> Subset:
        """Moves encoding to a device, where the source encodes at all.

        Args:
            device: A torch device name.

        Returns:
            The same examples.
        """
        return replace(self, source=self.source.on(device))

    def only(self, columns: Collection[str]) -> Subset:
        """Drops columns that are not needed.

        Args:
            columns: Names of the columns to keep.

        Returns:
            The same examples with these columns.
        """
        return replace(self, source=self.source.only(columns))


@dataclass(frozen=True, slots=True)
class JoinedSources:
    """The columns of several sources of the same examples, side by side.

    Attributes:
        sources: At least one, each with the columns that it gives.
    """

    sources: tuple[tuple[FeatureSource, frozenset[str]], ...]

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.sources[0][0])

    def batch(self, indices: Indices, view: int) -> Mapping[str, Tensor]:
        """Gives the columns of all sources for some examples.

        Args:
            indices: (b,) numbers of examples.
            view: Which random view of each image; 0 without views.

        Returns:
            Columns with b rows each.
        """
        return {name: column for source, _ in self.sources for name, column in source.batch(indices, view).items()}

    def on(self, device: str) -> JoinedSources:
        """Moves encoding to a device, in the sources that encode.

        Args:
            device: A torch device name.

        Returns:
            The same sources.
        """
        return JoinedSources(tuple((source.on(device), columns) for source, columns in self.sources))

    def only(self, columns: Collection[str]) -> FeatureSource:
        """Drops sources that give none of the columns.

        Args:
            columns: Names of the columns to keep.

        Returns:
            The sources that are left; all of them if none gives a column.
        """
        kept = tuple((source.only(columns), own) for source, own in self.sources if own & set(columns))
        return JoinedSources(kept or self.sources)


@dataclass(frozen=True, slots=True)
class IndexedFeatures:
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

    def batch(self, indices: Indices, view: int) -> Mapping[str, Tensor]:
        """Gives the columns of some held examples.

        Args:
            indices: (b,) positions in the split; each must be among `positions`.
            view: Which random view of each image; 0 without views.

        Returns:
            Columns with b rows each.
        """
        return self.source.batch(np.searchsorted(self.positions, indices), view)

    def on(self, device: str) -> IndexedFeatures:
        """Moves encoding to a device, where the source encodes at all.

        Args:
            device: A torch device name.

        Returns:
            The same examples.
        """
        return replace(self, source=self.source.on(device))

    def only(self, columns: Collection[str]) -> IndexedFeatures:
        """Drops columns that are not needed.

        Args:
            columns: Names of the columns to keep.

        Returns:
            The same examples with these columns.
        """
        return replace(self, source=self.source.only(columns))


@dataclass(frozen=True, slots=True)
class ClientIndices:
    """What of a warehouse one client holds.

    Attributes:
        client: The client's number.
        train: (n,) rows of its training images.
        test: (m,) rows of its test images.
        train_labels: (n,) what it takes them for.
        test_labels: (m,) the same of the test images.
    """

    client: int
    train: Indices
    test: Indices
    train_labels: Indices
    test_labels: Indices


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """All features of a run; put into the object store once and read without a copy.

    Attributes:
        train: Features of the training images, by row.
        test: Features of the test images, by row.
        test_labels: (N,) classes of the rows, as those who hold them have it.
        novelty: Classes that no client trains on, None where all are trained on.
        validation: Images by which a model is selected, None where the data set has none.
    """

    train: FeatureSource
    test: FeatureSource
    test_labels: Indices
    novelty: Novelty | None = None
    validation: ValidationImages | None = None

    def on(self, device: str) -> FeatureStore:
        """Moves encoding to a device, for features that are computed on demand.

        Args:
            device: A torch device name.

        Returns:
            The same store.
        """
        return replace(self, train=self.train.on(device), test=self.test.on(device))

    def portion(self, claim: ClientIndices) -> ClientData:
        """Cuts out what one client holds, without a copy.

        Args:
            claim: The client's rows and labels.

        Returns:
            The client's data.
        """
        return ClientData(
            number=claim.client,
            train=Subset(self.train, claim.train),
            train_labels=claim.train_labels,
            test=self.test,
            test_labels=self.test_labels,
            own_test=claim.test,
            own_labels=claim.test_labels,
            novelty=self.novelty,
            validation=self.validation,
        )
