"""Data: what a data set gives, what a partition makes of it, how a client gets at its features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from fedsilo.core.printing import make_printable
from fedsilo.core.types import Indices

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


class Component:
    """Anything a scenario names: its dataclass fields are the keys of its section."""

    kind: ClassVar[str]

    def problems(self) -> list[str]:
        """What is impossible in the fields, as 'key: what is wrong. What is allowed.' lines; empty when sound."""
        return []


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled images of one split, fetched one at a time.

    Attributes:
        labels: (n,) class of each image, in [0, classes).
        domains: (n,) domain of each image, in [0, domains).
        fetch: Returns image i as RGB; the same pixels at every call and in every process (it is pickled). It is
            called from several threads at once: one that reads through a shared open file needs a lock. Where it has
            a method `name`, that gives the name of image i for messages, such as its path.
        digests: (n,) one short hex digest per image: of its bytes, or of all that determines them. The key of the
            feature cache and of the data fingerprint.
    """

    labels: Indices
    domains: Indices
    fetch: Callable[[int], Image.Image]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: Indices) -> Examples:
        """Returns some of the examples, in the given order."""
        digests = tuple(self.digests[position] for position in positions.tolist())
        return Examples(self.labels[positions], self.domains[positions], _Taken(self.fetch, positions), digests)

    def name(self, i: int) -> str:
        """Returns how messages name image i."""
        return name_of(self.fetch, i)


def name_of(fetch: Callable[[int], Image.Image], i: int) -> str:
    """Returns how messages name the image that `fetch` gives for i: as `fetch` names it, or by its number."""
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
    """Classes that nobody trains on.

    Attributes:
        classes: Their names, in label order.
        test: Their test examples; labels count from 0 among these classes.
    """

    classes: tuple[str, ...]
    test: Examples


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """A data set ready for partitioning.

    Attributes:
        classes: Class names in label order, as they are written into a prompt.
        domains: Domain names in domain order; one name when there are none.
        template: Hand-written prompt of the zero-shot row, with `{}` for the class.
        train: Examples to learn from.
        test: Examples to be measured on.
        notices: What the user should know about the data (skipped files and the like), one line each.
        groups: (classes,) superclass of each class, from 0; empty when the data has none.
        newcomers: Classes that were taken out before training, to be measured on; None when all are there.
    """

    classes: tuple[str, ...]
    domains: tuple[str, ...]
    template: str
    train: Examples
    test: Examples
    notices: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    newcomers: Newcomers | None = None

    def __post_init__(self) -> None:
        """Makes all names and notices printable: they come from folders, files and libraries of any kind."""
        for name in ("classes", "domains", "notices"):
            object.__setattr__(self, name, tuple(map(make_printable, getattr(self, name))))

    def splits(self) -> tuple[tuple[str, Examples], tuple[str, Examples]]:
        """Returns both splits with their names."""
        return ("train", self.train), ("test", self.test)


class Dataset(Component, ABC):
    """A source of labelled images."""

    kind = "dataset"

    @abstractmethod
    def load(self, seed: int) -> LabelledImages:
        """Returns the data; `seed` decides whatever is drawn (splits, images). Raises DataError."""


class FeatureSource(Protocol):
    """Columns of one client's examples (`core.batch`), cached or computed on demand."""

    def __len__(self) -> int:
        """Returns the number of examples."""
        ...

    def batch(self, indices: Indices, view: int) -> Mapping[str, Tensor]:
        """Returns the columns of some examples, (b, ...) each, float32, features not normalised, on the CPU."""
        ...

    def on(self, device: str) -> FeatureSource:
        """Returns the source that encodes on a device; itself where nothing is encoded any more."""
        ...

    def only(self, columns: Collection[str]) -> FeatureSource:
        """Returns the source without the columns that are not among these, so far as that saves work."""
        ...
