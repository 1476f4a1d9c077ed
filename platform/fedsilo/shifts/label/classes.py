"""Each client owns some of the classes: the "pathological" split, no class is known to two clients; or with overlap.

Source of the convention: the few-shot federated prompt papers (FedOTP, arXiv:2403.00041, and DP-FPL, arXiv:2501.13904,
among them) shuffle the K class ids by `random.seed(2023); random.shuffle(...)`, whatever the run's seed, give each of
the N clients round(K/N) consecutive ones, halves to the even number, and the last client the remainder.
`{remainder: last, fixed_draw: 2023}` with ten clients is that split. With `per_client: k, overlap: true` clients own k
classes each, as in McMahan et al. (arXiv:1602.05629) and its successors, and every class has nearly as many owners.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fedsilo import allotment
from fedsilo.apportionment import apportion
from fedsilo.contracts import Demand, Indices, LabelledImages, LabelShift, Share
from fedsilo.errors import DataError
from fedsilo.fields import key
from fedsilo.seeds import published_generator


@dataclass(frozen=True, slots=True)
class Classes(LabelShift):
    """Each client owns a group of classes: alone, with all their examples, or together with other owners."""

    meets_sizes = False

    per_client: int = key(
        0, "Classes of each client; 0: the classes are shared out, each to one client.", within=">= 0"
    )
    overlap: bool = key(False, "With per_client: a class may have several owners, each with a part of its examples.")
    copies: bool = key(False, "With overlap: every owner has all examples of the class, instead of a part.")
    uneven: tuple[float, float] = key((1.0, 1.0), "With overlap: an owner's part of a class is drawn from this range.")
    remainder: str = key(
        "spread",
        "Classes that do not divide evenly: 'spread' makes groups that differ by one class at most, 'last' gives each "
        "client round(classes / clients) and the last one what is left, as in the papers.",
        "spread",
        "last",
    )
    fixed_draw: int | None = key(
        None,
        "Shuffles the classes as Python's random does at this seed, for every seed of the scenario: the papers' is "
        "2023. null: by the scenario's seed.",
        within=">= 0",
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        found = []
        if (self.overlap or self.copies) and not self.per_client:
            found.append("overlap: needs per_client, the number of classes of each client.")
        if self.copies and not self.overlap:
            found.append("copies: needs overlap: true.")
        if not 0 < self.uneven[0] <= self.uneven[1]:
            found.append(f"uneven: must be a range above 0, lower end first, got {list(self.uneven)}.")
        return found

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Returns one share per client. Raises DataError when some client would own nothing."""
        groups = self._groups(len(images.classes), demand.clients, generator)
        if self.per_client and not self.copies:
            shares = self._divided(images, pool, groups, demand, generator)
        else:
            train, test = (
                [positions[np.isin(labels[positions], group)] for group in groups]
                for positions, labels in ((pool.train, images.train.labels), (pool.test, images.test.labels))
            )
            shares = allotment.named(images, train, test)
        self._refuse_empty(images, shares, groups)
        return shares if demand.sizes is None else allotment.thinned(images, shares, demand, generator)

    def _divided(
        self,
        images: LabelledImages,
        pool: Share,
        groups: list[Indices],
        demand: Demand,
        generator: np.random.Generator,
    ) -> list[Share]:
        """Each class's examples among its owners; those of classes without an owner to nobody."""
        owned = np.zeros((len(images.classes), demand.clients), dtype=bool)
        for client, group in enumerate(groups):
            owned[group, client] = True
        having = np.flatnonzero(owned.any(axis=1))
        held = Share(
            pool.train[np.isin(images.train.labels[pool.train], having)],
            pool.test[np.isin(images.test.labels[pool.test], having)],
        )
        weights = generator.uniform(*self.uneven, owned.shape) * owned
        if demand.sizes is not None:
            weights = weights * np.maximum(demand.sizes, 1)
        sizes = np.bincount(images.train.labels[held.train], minlength=len(images.classes))
        counts = [
            apportion(size, row if row.any() else np.ones(len(row)), generator)
            for size, row in zip(sizes, weights, strict=True)
        ]
        least = Demand(demand.clients, demand.min_train, min(demand.min_test, len(held.test) // demand.clients))
        liking = np.where(owned, -1.0, -1e9)
        return allotment.dealt(images, held, np.stack(counts), liking, least, generator)

    def _refuse_empty(self, images: LabelledImages, shares: list[Share], groups: list[Indices]) -> None:
        for split in ("train", "test"):
            empty = [
                f"client {client} ({', '.join(images.classes[label] for label in groups[client])})"
                for client, share in enumerate(shares)
                if not len(getattr(share, split))
            ]
            if empty:
                raise DataError(
                    f"partition.clients: without any {split} example would be {'; '.join(empty)}. "
                    f"Use fewer than {len(shares)} clients or give these classes {split} images."
                )

    def _groups(self, classes: int, clients: int, generator: np.random.Generator) -> list[Indices]:
        """The class numbers of each client, in order of the client."""
        if self.per_client:
            return self._groups_of_one_size(classes, clients, generator)
        if clients > classes:
            raise DataError(
                f"partition.clients: {clients} clients cannot own disjoint groups of {classes} classes. Use at most "
                f"{classes} clients, label.overlap with label.per_client, or the label shift 'dirichlet'."
            )
        shuffled = self._shuffled(classes, generator)
        if self.remainder == "spread":
            return np.array_split(shuffled, clients)
        each = round(classes / clients)
        if each * (clients - 1) >= classes:
            raise DataError(
                f"partition.label.remainder: 'last' gives {each} of {classes} classes to each client and nothing to "
                f"the last of {clients}. Use 'spread'."
            )
        bounds = [*range(0, each * clients, each), classes]
        return [shuffled[start:stop] for start, stop in pairwise(bounds)]

    def _groups_of_one_size(self, classes: int, clients: int, generator: np.random.Generator) -> list[Indices]:
        """`per_client` classes for each client, those with the fewest owners so far first."""
        each = self.per_client
        if each > classes or (not self.overlap and each * clients > classes):
            raise DataError(
                f"partition.label.per_client: {each} classes for each of {clients} clients are more than the "
                f"{classes} there are. " + ("Use fewer." if each > classes else "Use fewer, or overlap: true.")
            )
        if not self.overlap:
            return np.split(self._shuffled(classes, generator)[: each * clients], clients)
        owners, groups = np.zeros(classes, dtype=np.int64), []
        for _ in range(clients):
            groups.append(np.lexsort((generator.random(classes), owners))[:each])
            owners[groups[-1]] += 1
        return groups

    def _shuffled(self, classes: int, generator: np.random.Generator) -> Indices:
        """The class numbers in the order in which they are handed out."""
        if self.fixed_draw is None:
            return generator.permutation(classes)
        order = list(range(classes))
        published_generator(self.fixed_draw).shuffle(order)
        return np.array(order, dtype=np.int64)
