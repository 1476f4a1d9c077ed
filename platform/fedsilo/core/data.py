"""The contract of data sets: labelled images, and the features of a client's examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.printing import make_printable
from fedsilo.core.types import Indices

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


class Component:
    """A part that a scenario names; its dataclass fields are the keys of its section."""

    kind: ClassVar[str]

    def problems(self) -> list[str]:
        """Lists what is impossible in the fields, as "key: what is wrong. What is allowed." lines."""
        return []


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled images of one split, fetched one at a time.

    Attributes:
        labels: (n,) class of each image, in [0, classes).
        domains: (n,) domain of each image, in [0, domains).
        fetch: Returns image i as RGB: the same pixels at every call and in every process (it is pickled). Several
            threads call it at once, so a function that reads through a shared open file needs a lock. If it has a
            method `name`, messages use `fetch.name(i)` for image i, for example its path.
        digests: (n,) one short hex digest per image, of its bytes or of all that determines them. It is the key of the
            feature cache and of the data fingerprint.
    """

    labels: Indices
    domains: Indices
    fetch: Callable[[int], Image.Image]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Indices) -> Examples:
        """Takes some of the examples.

        Args:
            positions: (m,) positions, in the order of the result.

        Returns:
            m examples.
        """
        digests = tuple(self.digests[position] for position in positions.tolist())
        return Examples(self.labels[positions], self.domains[positions], _Taken(self.fetch, positions), digests)

    def name(self, i: int) -> str:
        """Returns the name of an image for messages.

        Args:
            i: The image's position.

        Returns:
            The name.
        """
        return name_of(self.fetch, i)


def name_of(fetch: Callable[[int], Image.Image], i: int) -> str:
    """Returns the name of an image for messages.

    Args:
        fetch: The function that fetches images; its method `name` is used if it has one.
        i: The image's position.

    Returns:
        The name, or "image i".
    """
    name: Callable[[int], str] = getattr(fetch, "name", "image {}".format)
    return name(i)


@dataclass(frozen=True, eq=False, slots=True)
class _Taken:
    """Fetches some of the images that another one fetches."""

    fetch: Callable[[int], Image.Image]
    positions: Indices

    def __call__(self, i: int) -> Image.Image:
        return self.fetch(int(self.positions[i]))

    def name(self, i: int) -> str:
        return name_of(self.fetch, int(self.positions[i]))


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Classes that no client trains on.

    Attributes:
        classes: Their names, in label order.
        test: Their test examples; labels count from 0 among these classes.
    """

    classes: tuple[str, ...]
    test: Examples


@dataclass(frozen=True, slots=True)
class Pairs:
    """The attribute and the object behind each label of a data set of compositions.

    Labels of pairs that are trained on come first, in the order of the data set's list of training pairs.

    Attributes:
        attributes: (A,) names of the attributes.
        objects: (O,) names of the objects.
        attribute: (K,) int64 attribute of each label, in [0, A).
        object: (K,) int64 object of each label, in [0, O).
        seen: (K,) bool, whether the pair is trained on: the first S are True.
        test: (K,) bool, whether the pair is a candidate of test images: trained on, or in the list of test pairs.
        validation: (K,) bool, the same for validation images.
    """

    attributes: tuple[str, ...]
    objects: tuple[str, ...]
    attribute: Indices
    object: Indices
    seen: NDArray[np.bool_]
    test: NDArray[np.bool_]
    validation: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.attribute)


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """A data set before it is partitioned.

    Attributes:
        classes: Class names in label order, as a prompt contains them.
        domains: Domain names in domain order; one name when there are none.
        template: Hand-written prompt of the zero-shot row, with `{}` for the class.
        train: Training examples.
        test: Test examples.
        notices: What the user should know about the data (for example skipped files), one line each.
        groups: (classes,) superclass of each class, from 0; empty when the data has none.
        newcomers: Classes that were removed before training and are measured afterwards; None when there are none.
        pairs: The attribute and the object of each class; None where classes are not composed.
        validation: Examples by which a model is selected; None where the data set has none.
    """

    classes: tuple[str, ...]
    domains: tuple[str, ...]
    template: str
    train: Examples
    test: Examples
    notices: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    newcomers: Newcomers | None = None
    pairs: Pairs | None = None
    validation: Examples | None = None

    def __post_init__(self) -> None:
        """Makes all names and notices printable: they come from folders, files and libraries."""
        for name in ("classes", "domains", "notices"):
            object.__setattr__(self, name, tuple(map(make_printable, getattr(self, name))))

    def splits(self) -> tuple[tuple[str, Examples], tuple[str, Examples]]:
        """Returns both splits with their names: ("train", ...), ("test", ...)."""
        return ("train", self.train), ("test", self.test)


class Dataset(Component, ABC):
    """A source of labelled images."""

    kind = "dataset"

    @abstractmethod
    def load(self, seed: int) -> LabelledImages:
        """Loads the data.

        Args:
            seed: The scenario's seed; all draws (splits, images) follow from it.

        Returns:
            The data.

        Raises:
            DataError: Files are missing, damaged, or do not fit.
        """


class FeatureSource(Protocol):
    """Columns of one client's examples (`core.batch`), cached or computed when they are needed."""

    def __len__(self) -> int:
        """Returns the number of examples."""
        ...

    def batch(self, indices: Indices, view: int) -> Mapping[str, Tensor]:
        """Reads the columns of some examples.

        Args:
            indices: (b,) positions among the client's examples.
            view: Which view of the images: 0 is the plain image, others are random views.

        Returns:
            Columns (b, ...), float32, not normalised, on the CPU.
        """
        ...

    def on(self, device: str) -> FeatureSource:
        """Returns a source that encodes images on a device.

        Args:
            device: A torch device.

        Returns:
            Such a source; the same one where nothing is left to encode.
        """
        ...

    def only(self, columns: Collection[str]) -> FeatureSource:
        """Returns a source that leaves out other columns where this saves work.

        Args:
            columns: The columns that are needed.

        Returns:
            Such a source.
        """
        ...
