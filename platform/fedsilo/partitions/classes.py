"""Disjoint groups of classes: the "pathological" split, no class is known to two clients.

Source of the convention: the few-shot federated prompt papers (FedOTP, arXiv:2403.00041, and DP-FPL, arXiv:2501.13904,
among them) shuffle the K class ids by `random.seed(2023); random.shuffle(...)`, whatever the run's seed, give each of
the N clients round(K/N) consecutive ones, halves to the even number, and the last client the remainder.
`{clients: 10, remainder: last, fixed_draw: 2023}` is that split.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fedsilo import allotment
from fedsilo.contracts import Indices, LabelledImages, Partition, Share
from fedsilo.errors import DataError
from fedsilo.fields import key
from fedsilo.seeds import published_generator

REMAINDERS = ("spread", "last")


@dataclass(frozen=True, slots=True)
class Classes(Partition):
    """Each client owns a group of classes, with all their training and test examples."""

    clients: int = key(10, "Number of clients, >= 1, at most the number of classes.")
    remainder: str = key(
        "spread",
        "Classes that do not divide evenly: 'spread' makes groups that differ by one class at most, 'last' gives each "
        "client round(classes / clients) and the last one what is left, as in the papers.",
        *REMAINDERS,
    )
    fixed_draw: int | None = key(
        None,
        "Shuffles the classes as Python's random does at this seed, for every seed of the scenario: the papers' is "
        "2023. null: by the scenario's seed.",
        within=">= 0",
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        return allotment.count_problems("clients", self.clients)

    def split(self, images: LabelledImages, generator: np.random.Generator) -> list[Share]:
        """Returns one share per client. Raises DataError when some client would own nothing."""
        allotment.refuse(self.problems())
        groups = self._groups(len(images.classes), generator)
        train, test = (
            [np.flatnonzero(np.isin(split.labels, group)) for group in groups] for split in (images.train, images.test)
        )
        for split, parts in (("train", train), ("test", test)):
            empty = [
                f"client {client} ({', '.join(images.classes[label] for label in groups[client])})"
                for client, part in enumerate(parts)
                if not len(part)
            ]
            if empty:
                raise DataError(
                    f"partition.clients: without any {split} example would be {'; '.join(empty)}. "
                    f"Use fewer than {self.clients} clients or give these classes {split} images."
                )
        return allotment.named(images, train, test)

    def _groups(self, classes: int, generator: np.random.Generator) -> list[Indices]:
        """The class numbers of each client, in order of the client."""
        if self.clients > classes:
            raise DataError(
                f"partition.clients: {self.clients} clients cannot own disjoint groups of {classes} classes. "
                f"Use at most {classes} clients, or the rule 'dirichlet'."
            )
        shuffled = self._shuffled(classes, generator)
        if self.remainder == "spread":
            return np.array_split(shuffled, self.clients)
        each = round(classes / self.clients)
        if each * (self.clients - 1) >= classes:
            raise DataError(
                f"partition.remainder: 'last' gives {each} of {classes} classes to each client and nothing to the "
                f"last of {self.clients}. Use 'spread'."
            )
        bounds = [*range(0, each * self.clients, each), classes]
        return [shuffled[start:stop] for start, stop in pairwise(bounds)]

    def _shuffled(self, classes: int, generator: np.random.Generator) -> Indices:
        """The class numbers in the order in which they are handed out."""
        if self.fixed_draw is None:
            return generator.permutation(classes)
        order = list(range(classes))
        published_generator(self.fixed_draw).shuffle(order)
        return np.array(order, dtype=np.int64)
