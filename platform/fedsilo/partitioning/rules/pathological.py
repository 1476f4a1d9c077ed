"""The few-shot "pathological" split of the prompt papers: disjoint classes, drawn as their code draws them.

Classes are shuffled by Python's generator at 2023, whatever the run's seed, and each client gets round(K / N) of them,
the last one the remainder; with `shots` the images come from the same stream (`shots_fixed_draw: 2023`). Their
deviations over seeds therefore hold no chance of the data; `fixed_draw: null` draws the classes by the scenario's seed.

`repeat_rate` is the overlap of FedOTP's code: the first int(rate K) of the shuffled classes have several owners, the
others are dealt as above. With `shots` the clients, shuffled as well, form int(N / shots) groups of round(N / groups);
the repeated classes are cut in as many groups, and every client of a group owns its group's classes (with fewer clients
than shots, all clients own all of them). Of a repeated class a client gets max(int(shots / N), 1) training images,
which another client may have too. All that is theirs. Not theirs: a class's test images are shared out evenly among its
owners (there a slice by the client's number, which is empty for most clients once there are several groups), and so are
its training images where no shots are drawn.

Source: FedOTP, arXiv:2403.00041; DP-FPL, arXiv:2501.13904; pFedPrompt, WWW 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.core import Indices, LabelledImages, Look, Partition, Share
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import published_generator
from fedsilo.partitioning.dealing import example_assignment as allotment
from fedsilo.partitioning.dealing.shift_composition import Composition
from fedsilo.partitioning.shifts.feature.none import NoFeatureShift
from fedsilo.partitioning.shifts.label.classes import Classes
from fedsilo.partitioning.shifts.quantity.natural import Natural


@dataclass(frozen=True, slots=True)
class Pathological(Partition):
    """Disjoint classes as in the few-shot experiments of FedOTP and DP-FPL."""

    clients: int = key(10, "Number of clients, at most the number of classes.", within=">= 1")
    fixed_draw: int | None = key(
        2023, "Shuffles the classes as Python's random does at this seed, for every seed of the scenario. null: by it."
    )
    repeat_rate: float = key(
        0.0,
        "Part of the classes that several clients own, as in FedOTP's code; 0: every class has one owner.",
        within="in [0, 1]",
    )

    def split(self, images: LabelledImages, generator: np.random.Generator, look: Look) -> list[Share]:
        """Returns one share per client. Raises DataError when some client would own nothing."""
        if not self._repeated(len(images.classes)):
            label = Classes(remainder="last", fixed_draw=self.fixed_draw)
            return Composition(label, NoFeatureShift(), Natural(), self.clients).shares(images, generator, look)
        owners = self._owners(len(images.classes), generator)
        test = _divided(images.test.labels, owners, generator)
        # With shots each owner draws its own from all images of a class, as the papers' code does.
        train = _owned(images.train.labels, owners) if self.shots else _divided(images.train.labels, owners, generator)
        for split, parts in (("train", train), ("test", test)):
            poor = [str(client) for client, part in enumerate(parts) if not len(part)]
            if poor:
                raise DataError(
                    f"partition.repeat_rate: at {self.repeat_rate:g}, client {', '.join(poor[:5])} of {self.clients} "
                    f"would have no {split} image. Use fewer clients or another rate."
                )
        return allotment.named(images, train, test)

    def shots_by_class(self, owners: Indices) -> Indices:
        """Returns (classes,) shots of each class; of one with several owners a client gets its part, at least one."""
        return np.where(owners > 1, max(self.shots // self.clients, 1), self.shots)

    def shuffle_lengths(self, classes: int) -> Sequence[int]:
        """Returns the lengths of what is shuffled before shots are drawn: the classes, and clients that form groups."""
        return [classes, self.clients] if self._repeated(classes) and self._groups() else [classes]

    def _repeated(self, classes: int) -> int:
        """How many classes have several owners."""
        return int(self.repeat_rate * classes)

    def _groups(self) -> int:
        """In how many groups clients share classes; 0: all clients own all repeated classes."""
        return self.clients // self.shots if self.shots else 0

    def _owners(self, classes: int, generator: np.random.Generator) -> NDArray[np.bool_]:
        """(K, N) whether a client owns a class."""
        order, clients = self._orders(classes, generator)
        repeated, single = np.split(order, [self._repeated(classes)])
        owned = np.zeros((classes, self.clients), dtype=bool)
        for number, part in enumerate(_blocks(single, self.clients, round(len(single) / self.clients))):
            owned[part, number] = True
        groups = self._groups() or 1
        shared = _blocks(repeated, groups, round(len(repeated) / groups))
        each = round(self.clients / groups)
        for number, part in enumerate(shared):
            # Clients that are left over when groups are rounded down own no repeated class, as in the papers' code.
            owned[np.ix_(part, clients[number * each : (number + 1) * each])] = True
        return owned

    def _orders(self, classes: int, generator: np.random.Generator) -> tuple[Indices, Indices]:
        """The class numbers and the client numbers, shuffled."""
        if self.fixed_draw is None:
            return generator.permutation(classes), generator.permutation(self.clients)
        stream, orders = published_generator(self.fixed_draw), (list(range(classes)), list(range(self.clients)))
        for order in orders:
            stream.shuffle(order)
        return np.array(orders[0]), np.array(orders[1])


def _blocks(items: Indices, parts: int, size: int) -> list[Indices]:
    """Consecutive parts of this size, the last one with what is left."""
    return np.split(items, [size * number for number in range(1, parts)])


def _owned(labels: Indices, owners: NDArray[np.bool_]) -> list[Indices]:
    """For each client all positions of the classes that it owns."""
    return [np.flatnonzero(owned[labels]) for owned in owners.T]


def _divided(labels: Indices, owners: NDArray[np.bool_], generator: np.random.Generator) -> list[Indices]:
    """For each client its part of the positions of the classes that it owns; parts differ by one at most."""
    holder = np.full(len(labels), -1)
    for label, owned in enumerate(owners):
        positions, among = generator.permutation(np.flatnonzero(labels == label)), np.flatnonzero(owned)
        if len(among):
            holder[positions] = np.resize(generator.permutation(among), len(positions))
    return [np.flatnonzero(holder == client) for client in range(owners.shape[1])]
