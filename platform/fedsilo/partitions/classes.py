"""Disjoint groups of classes: the "pathological" split, no class is known to two clients.

Source of the convention: the few-shot federated prompt papers shuffle the K class ids, give each of the N clients
round(K/N) consecutive ones, and the last client the remainder.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fedsilo import allotment
from fedsilo.contracts import Indices, LabelledImages, Partition, Share
from fedsilo.errors import DataError
from fedsilo.fields import key

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
        shuffled = generator.permutation(classes)
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
