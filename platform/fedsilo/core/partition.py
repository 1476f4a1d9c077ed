"""Who holds what: shares, partitions, and the shifts that a partition is composed of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.config_fields import key, slot
from fedsilo.core.data import Component, Examples, LabelledImages
from fedsilo.core.types import Indices

Floats = NDArray[np.float64]

FeatureExtractor = Callable[[Examples], NDArray[np.float32]]
"""look(examples): (n, D) pooled image features of the scenario's backbone, each of length 1."""


@dataclass(frozen=True, slots=True)
class Share:
    """One client's part of the data.

    Attributes:
        train: (n,) positions in the training split, ascending.
        test: (m,) positions in the test split, ascending.
        domain: Name of the domain that all its images come from, or "" when they are mixed.
        seen: Whether the client trains; False: it is only measured, as one that arrives after training.
        alteration: What is done to all its images, for example "blur 3"; "" for nothing.
        train_labels: (n,) what the client takes its training images for; None: the data's own labels.
        test_labels: (m,) the same of its test images.
    """

    train: Indices
    test: Indices
    domain: str = ""
    seen: bool = True
    alteration: str = ""
    train_labels: Indices | None = None
    test_labels: Indices | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """What the clients of one pool are to get.

    Attributes:
        clients: How many there are, N.
        min_train: Training examples that each gets at the least.
        min_test: Test examples that each gets at the least.
        sizes: (N,) training examples that each gets exactly, adding up to the pool's unless the label shift does not
            meet sizes; None: as many as the label shift has it.
    """

    clients: int
    min_train: int = 1
    min_test: int = 1
    sizes: Indices | None = None


class LabelShift(Component, ABC):
    """How the labels of clients differ that draw from the same images."""

    kind = "label shift"
    meets_sizes: ClassVar[bool] = True
    """Whether `Demand.sizes` are met exactly, whatever they are; otherwise images are left out afterwards."""

    mixes: ClassVar[bool] = True
    """Whether clients that are dealt several pools by the same draws like the same classes in each."""

    @abstractmethod
    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Returns the shares of a pool's clients. Raises DataError when they cannot all be served."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Images in groups, and how much each client draws from each.

    Attributes:
        train: (n,) group of each training image.
        test: (m,) group of each test image.
        names: (G,) names of the groups; "" for images of all kinds.
        weights: (G, N) how much of its images a client takes from a group, relative to its other groups; >= 0, and
            above 0 somewhere for every client.
    """

    train: Indices
    test: Indices
    names: tuple[str, ...]
    weights: Floats

    @property
    def apart(self) -> bool:
        """Whether every client draws from one group only."""
        return bool(((self.weights > 0).sum(axis=0) == 1).all())


class FeatureShift(Component, ABC):
    """How the looks of the clients' images differ, by which images they draw from."""

    kind = "feature shift"

    @abstractmethod
    def grouping(
        self, images: LabelledImages, clients: int | None, generator: np.random.Generator, look: FeatureExtractor
    ) -> Grouping:
        """Returns the groups.

        Args:
            images: The data.
            clients: How many clients there are to be; None: as many as this shift has it.
            generator: Where draws come from.
            look: Gives image features, at the price of encoding the images.

        Raises:
            DataError: The data has no such groups, or not for so many clients.
        """


class QuantityShift(Component, ABC):
    """How many training images clients have."""

    kind = "quantity shift"
    absolute: ClassVar[bool] = False
    """Whether the weights are numbers of images, and what is left over is held by nobody."""

    @abstractmethod
    def weights(self, clients: int, generator: np.random.Generator) -> Floats | None:
        """Returns (clients,) relative sizes, above 0, or None: whatever the label shift gives. Raises DataError."""


@dataclass(frozen=True)
class ConceptShift(Component, ABC):
    """How clients differ in what they call the same image."""

    kind = "concept shift"

    _: KW_ONLY
    clients: float = key(
        0.5, "Part of the clients that it happens to, drawn, rounded to whole ones.", within="in [0, 1]"
    )

    @abstractmethod
    def relabel(
        self, train: Indices, test: Indices, classes: int, generator: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """Returns what one client takes its images for, by the (n,) and (m,) labels that the data has for them."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """Images of some clients, altered: another camera, another scanner."""

    kinds: list[str] = key(
        list, "What is done, for example [blur, noise]: each client gets one of them. Empty: nothing."
    )
    severity: int | list[int] = key(3, "From 1, hardly seen, to 5; of several, as in [1, 3, 5], each client gets one.")
    clients: float = key(1.0, "Part of the clients whose images are altered, drawn, rounded.", within="in [0, 1]")


@dataclass(frozen=True, slots=True)
class Unseen:
    """Who and what is kept out of training, and measured all the same."""

    clients: int | list[int] = key(0, "Clients that never train: so many, drawn, or these numbers, for example [3, 7].")
    domains: list[str] = key(
        list, "Domains that nobody trains on; each becomes one more client, which is only measured."
    )
    classes: float = key(
        0.0,
        "Part of the classes that nobody trains on, the last ones: every client is measured on them with their names "
        "only, and on the others with theirs (base-to-new).",
        within="in [0, 1)",
    )


@dataclass(frozen=True)
class Partition(Component, ABC):
    """A rule that hands the examples out to clients.

    `split` hands out all that clients hold. What every rule can have is done to its shares afterwards, in this order:
    shots, global test data, concept, corruption, unseen clients; see `fedsilo.partitioning.dealing.post_split`. No
    rule has to know of it.
    """

    kind = "partition"

    _: KW_ONLY
    shots: int = key(
        0,
        "Few-shot: so many training images of each class that a client has, drawn after the split; 0: all.",
        within=">= 0",
    )
    shots_fixed_draw: int | None = key(
        None,
        "Draws the shots as the papers' code does, the same ones for every seed: 2023 is theirs. null: by the seed.",
        within=">= 0",
    )
    concept: ConceptShift | None = slot("none", "How clients differ in what they call the same image.")
    corruption: Corruption = key(Corruption, "Images of some clients, altered.")
    unseen: Unseen = key(Unseen, "Who and what is kept out of training, and measured all the same.")
    test: str = key(
        "client",
        "What a client is measured on: the test images that were dealt to it as its training images were, or all that "
        "there are but those of unseen domains.",
        "client",
        "global",
    )

    def shots_by_class(self, owners: Indices) -> Indices:
        """Returns (classes,) how many training images of each class a client gets at most, where `shots` is above 0.

        Args:
            owners: (classes,) how many clients that train have images of each class.
        """
        return np.full(len(owners), self.shots)

    def shuffles(self, classes: int) -> Sequence[int]:
        """Returns the lengths of what the papers' code shuffles, in order, before it draws shots by the same stream."""
        return [classes]

    @abstractmethod
    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Returns one share per client, in client order; the same map for train and test.

        Args:
            images: The data.
            generator: Where all draws come from.
            look: Gives image features to rules that need them.

        Raises:
            DataError: The data cannot be split as asked.
        """
