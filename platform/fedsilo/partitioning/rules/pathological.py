"""The few-shot "pathological" split of the prompt papers: disjoint classes, drawn as in their code.

Classes are shuffled by Python's generator at 2023, whatever the run's seed, and each client gets round(K / N) of them,
the last one the remainder; with `shots` the images come from the same stream (`shots_fixed_draw: 2023`). So their
deviations over seeds contain no chance of the data; `fixed_draw: null` draws the classes by the scenario's seed.

`repeat_rate` is the overlap of FedOTP's code: the first int(rate K) of the shuffled classes have several owners, the
others are dealt as above. With `shots` the clients, also shuffled, form int(N / shots) groups of round(N / groups); the
repeated classes are cut into as many groups, and every client of a group owns its group's classes (with fewer clients
than shots, all clients own all of them). Of a repeated class a client gets max(int(shots / N), 1) training images,
which another client may have too. All of this is as in FedOTP's code, with one exception: a class's test images are
divided evenly among its owners (there a slice by the client's number, which is empty for most clients if there are
several groups), and so are its training images where no shots are drawn.

Source: FedOTP, arXiv:2403.00041; DP-FPL, arXiv:2501.13904; pFedPrompt, WWW 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.core import FeatureExtractor, Indices, LabelledImages, Partition, Share
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import published_generator
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.shift_composition import Composition
from fedsilo.partitioning.shifts.feature.none import NoFeatureShift
from fedsilo.partitioning.shifts.label.classes import Classes
from fedsilo.partitioning.shifts.quantity.natural import Natural


@dataclass(frozen=True, slots=True)
class Pathological(Partition):
    """Disjoint classes as in the few-shot experiments of FedOTP and DP-FPL."""

    clients: int = key(10, "Number of clients, at most the number of classes.", within=">= 1")
    fixed_draw: int | None = key(
        2023, "Shuffles the classes as Python's random at this seed, whatever the scenario's seed. null: by that seed."
    )
    repeat_rate: float = key(
        0.0,
        "Fraction of the classes with several owners, as in FedOTP's code; 0: every class has one owner.",
        within="in [0, 1]",
    )

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Gives each client its own classes.

        Args:
            images: The data.
            generator: Random generator of all draws.
            look: Computes image features; not used.

        Returns:
            One share per client, in client order.

        Raises:
            DataError: A client would own nothing.
        """
        if not self._count_repeated(len(images.classes)):
            label = Classes(remainder="last", fixed_draw=self.fixed_draw)
            return Composition(label, NoFeatureShift(), Natural(), self.clients).split(images, generator, look)
        owners = self._assign_owners(len(images.classes), generator)
        test = _divide(images.test.labels, owners, generator)
        # With shots each owner draws its own from all images of a class, as the papers' code does.
        train = (
            _collect_owned(images.train.labels, owners)
            if self.shots
            else _divide(images.train.labels, owners, generator)
        )
        for split, parts in (("train", train), ("test", test)):
            poor = [str(client) for client, part in enumerate(parts) if not len(part)]
            if poor:
                raise DataError(
                    f"partition.repeat_rate: at {self.repeat_rate:g}, client {', '.join(poor[:5])} of {self.clients} "
                    f"would have no {split} image. Use fewer clients or another rate."
                )
        return assignment.make_shares(images, train, test)

    def shots_by_class(self, owners: Indices) -> Indices:
        """Computes the shots of each class; of a class with several owners a client gets its part, at least one.

        Args:
            owners: (classes,) number of clients that train on images of each class.

        Returns:
            (classes,) greatest number of training images per client.
        """
        return np.where(owners > 1, max(self.shots // self.clients, 1), self.shots)

    def shuffle_lengths(self, classes: int) -> Sequence[int]:
        """Lists the shuffles before shots are drawn: of the classes, and of the clients if they form groups.

        Args:
            classes: Number of classes.

        Returns:
            Lengths of the shuffled lists.
        """
        return [classes, self.clients] if self._count_repeated(classes) and self._count_groups() else [classes]

    def _count_repeated(self, classes: int) -> int:
        """Number of classes with several owners."""
        return int(self.repeat_rate * classes)

    def _count_groups(self) -> int:
        """Number of groups in which clients share classes; 0: all clients own all repeated classes."""
        return self.clients // self.shots if self.shots else 0

    def _assign_owners(self, classes: int, generator: np.random.Generator) -> NDArray[np.bool_]:
        """(K, N) whether a client owns a class."""
        order, clients = self._shuffle_orders(classes, generator)
        repeated, single = np.split(order, [self._count_repeated(classes)])
        owned = np.zeros((classes, self.clients), dtype=bool)
        for number, part in enumerate(_cut_blocks(single, self.clients, round(len(single) / self.clients))):
            owned[part, number] = True
        groups = self._count_groups() or 1
        shared = _cut_blocks(repeated, groups, round(len(repeated) / groups))
        each = round(self.clients / groups)
        for number, part in enumerate(shared):
            # Clients that are left over when groups are rounded down own no repeated class, as in the papers' code.
            owned[np.ix_(part, clients[number * each : (number + 1) * each])] = True
        return owned

    def _shuffle_orders(self, classes: int, generator: np.random.Generator) -> tuple[Indices, Indices]:
        """Shuffles the class numbers and the client numbers."""
        if self.fixed_draw is None:
            return generator.permutation(classes), generator.permutation(self.clients)
        stream, orders = published_generator(self.fixed_draw), (list(range(classes)), list(range(self.clients)))
        for order in orders:
            stream.shuffle(order)
        return np.array(orders[0]), np.array(orders[1])


def _cut_blocks(items: Indices, parts: int, size: int) -> list[Indices]:
    """Cuts items into consecutive parts of a size; the last part has the rest."""
    return np.split(items, [size * number for number in range(1, parts)])


def _collect_owned(labels: Indices, owners: NDArray[np.bool_]) -> list[Indices]:
    """Collects for each client all positions of its classes."""
    return [np.flatnonzero(owned[labels]) for owned in owners.T]


def _divide(labels: Indices, owners: NDArray[np.bool_], generator: np.random.Generator) -> list[Indices]:
    """Divides the positions of each class among its owners; their parts differ by at most one."""
    holder = np.full(len(labels), -1)
    for label, owned in enumerate(owners):
        positions, among = generator.permutation(np.flatnonzero(labels == label)), np.flatnonzero(owned)
        if len(among):
            holder[positions] = np.resize(generator.permutation(among), len(positions))
    return [np.flatnonzero(holder == client) for client in range(owners.shape[1])]
