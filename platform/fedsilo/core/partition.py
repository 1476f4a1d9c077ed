"""The contract of partitions and of the shifts that a partition consists of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedsilo.core.config_fields import key, slot
from fedsilo.core.data import Component, Examples, LabelledImages
from fedsilo.core.partition_sections import Corruption, Unseen
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
        seen: Whether the client trains; False for a client that is only measured, as one that arrives after training.
        alteration: How all its images are altered, for example "blur 3"; "" for not at all.
        train_labels: (n,) the labels that the client has for its training images; None for the data's own labels.
        test_labels: (m,) the same for its test images.
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
    """The demand of the clients of one pool.

    Attributes:
        clients: How many clients, N.
        min_train: Smallest number of training examples of each.
        min_test: Smallest number of test examples of each.
        sizes: (N,) exact numbers of training examples. Their sum is the pool's size unless the label shift does not
            meet sizes. None: the label shift decides.
    """

    clients: int
    min_train: int = 1
    min_test: int = 1
    sizes: Indices | None = None


class LabelShift(Component, ABC):
    """How the labels of clients differ that draw from the same images."""

    kind = "label shift"
    meets_sizes: ClassVar[bool] = True
    """Whether any `Demand.sizes` are met exactly; images are left out afterwards otherwise."""

    mixes: ClassVar[bool] = True
    """Whether a client prefers the same classes in all pools that are dealt with the same draws."""

    @abstractmethod
    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Deals the images of a pool to its clients.

        Args:
            images: The data.
            pool: The images to deal.
            demand: Number of clients and their sizes.
            generator: The source of all draws.

        Returns:
            One share per client.

        Raises:
            DataError: The demand of all clients cannot be met.
        """


@dataclass(frozen=True, slots=True)
class Grouping:
    """Images in groups, and how much each client draws from each group.

    Attributes:
        train: (n,) group of each training image.
        test: (m,) group of each test image.
        names: (G,) names of the groups; "" for images of all kinds.
        weights: (G, N) how much a client draws from a group, relative to its other groups; >= 0, and above 0 in at
            least one group for every client.
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
    """How the appearance of images differs between clients, by the groups of images that clients draw from."""

    kind = "feature shift"

    @abstractmethod
    def grouping(
        self, images: LabelledImages, clients: int | None, generator: np.random.Generator, look: FeatureExtractor
    ) -> Grouping:
        """Groups the images.

        Args:
            images: The data.
            clients: Number of clients; None where the shift decides.
            generator: The source of all draws.
            look: Computes image features; this encodes images.

        Returns:
            The groups.

        Raises:
            DataError: The data has no such groups, or not for this number of clients.
        """


class QuantityShift(Component, ABC):
    """How many training images clients have."""

    kind = "quantity shift"
    absolute: ClassVar[bool] = False
    """Whether the weights are numbers of images; no client holds the images that are left over then."""

    @abstractmethod
    def weights(self, clients: int, generator: np.random.Generator) -> Floats | None:
        """Draws the sizes of clients.

        Args:
            clients: Number of clients.
            generator: The source of all draws.

        Returns:
            (clients,) relative sizes, above 0; None where the label shift decides.

        Raises:
            DataError: Such sizes are impossible.
        """


@dataclass(frozen=True)
class ConceptShift(Component, ABC):
    """How the labels of the same image differ between clients."""

    kind = "concept shift"

    _: KW_ONLY
    clients: float = key(
        0.5, "Part of the clients that it happens to, drawn, rounded to whole ones.", within="in [0, 1]"
    )

    @abstractmethod
    def relabel(
        self, train: Indices, test: Indices, classes: int, generator: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """Draws the labels that one client has for its images.

        Args:
            train: (n,) labels of its training images in the data.
            test: (m,) labels of its test images in the data.
            classes: Number of classes.
            generator: The source of all draws.

        Returns:
            (n,) and (m,) labels of the client.
        """


@dataclass(frozen=True)
class Partition(Component, ABC):
    """A rule that distributes the examples to clients.

    `split` distributes all images that clients hold. What all rules have in common happens to its shares afterwards,
    in this order: shots, global test data, concept, corruption, unseen clients; see
    `fedsilo.partitioning.dealing.post_partition_steps`. A rule does not need to know of it.
    """

    kind = "partition"
    frozen: ClassVar[bool] = False
    """Whether `split` gives final shares of all images, so that no step follows it."""

    _: KW_ONLY
    shots: int = key(
        0,
        "Few-shot: training images of each class that a client keeps, drawn after the split; 0: all.",
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
        "auto",
        "What a client is measured on. 'client': the test images that were dealt to it as its training images were, "
        "and equal parts of those of unseen pairs. 'global': all that there are but those of unseen domains. 'auto': "
        "global for compositions, client for other data.",
        "auto",
        "client",
        "global",
    )

    def measured_on(self, images: LabelledImages) -> str:
        """Resolves the key `test`.

        Args:
            images: The data.

        Returns:
            "client" or "global".
        """
        if self.test != "auto":
            return self.test
        return "client" if images.pairs is None or self.frozen else "global"

    def shots_by_class(self, owners: Indices) -> Indices:
        """Computes how many training images of each class a client gets at most, where `shots` is above 0.

        Args:
            owners: (classes,) number of training clients with images of each class.

        Returns:
            (classes,) numbers of images.
        """
        return np.full(len(owners), self.shots)

    def shuffle_lengths(self, classes: int) -> Sequence[int]:
        """Lists the lengths of the lists that the papers' code shuffles before it draws shots from the same stream.

        Args:
            classes: Number of classes.

        Returns:
            The lengths, in order.
        """
        return [classes]

    @abstractmethod
    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Splits the data.

        Args:
            images: The data.
            generator: The source of all draws.
            look: Computes image features for rules that need them.

        Returns:
            One share per client, in client order, by the same rule for training and test images.

        Raises:
            DataError: The data cannot be split as asked.
        """
