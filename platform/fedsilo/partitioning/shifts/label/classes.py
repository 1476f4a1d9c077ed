"""Each client owns some of the classes: the "pathological" split, with disjoint classes or with overlap.

Source of the convention: the few-shot federated prompt papers (FedOTP, arXiv:2403.00041, and DP-FPL, arXiv:2501.13904,
among them) shuffle the K class ids by `random.seed(2023); random.shuffle(...)`, whatever the run's seed, give each of
the N clients round(K/N) consecutive ones, halves to the even number, and the last client the remainder.
`{remainder: last, fixed_draw: 2023}` with ten clients is that split. With `per_client: k, overlap: true` clients own k
classes each, as in McMahan et al. (arXiv:1602.05629) and its successors, and every class has nearly as many owners.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fedsilo.core import Demand, Indices, LabelledImages, LabelShift, Share
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import published_generator
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.integer_rounding import apportion, raise_to_least

FOREIGN = -1e9
"""Logarithm of how much a client wants of a class that it does not own."""


@dataclass(frozen=True, slots=True)
class Classes(LabelShift):
    """Each client owns a group of classes: alone, with all their examples, or together with other owners."""

    meets_sizes = False
    mixes = False

    per_client: int = key(0, "Classes of each client; 0: the classes are divided, each to one client.", within=">= 0")
    overlap: bool = key(False, "With per_client: a class may have several owners, each with a part of its examples.")
    copies: bool = key(False, "With overlap: every owner has all examples of the class, instead of a part.")
    uneven: tuple[float, float] = key((1.0, 1.0), "With overlap: an owner's part of a class is drawn from this range.")
    remainder: str = key(
        "spread",
        "Classes that do not divide evenly: 'spread' makes groups that differ by one class at most, 'last' gives each "
        "client round(classes / clients) and the last one the rest, as in the papers.",
        "spread",
        "last",
    )
    fixed_draw: int | None = key(
        None,
        "Shuffles the classes as Python's random at this seed, whatever the scenario's seed: the papers use 2023. "
        "null: by the scenario's seed.",
        within=">= 0",
    )

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        low, high = self.uneven
        found = [f"{name}: needs per_client, the number of classes of each client." for name in self._without_number()]
        if self.copies and not self.overlap:
            found.append("copies: needs overlap: true.")
        if not (0 < low <= high and math.isfinite(high)):
            found.append(f"uneven: must be a range above 0, lower end first, got {list(self.uneven)}.")
        elif low < high and (self.copies or not self.overlap):
            found.append("uneven: is for owners that share a class. Use overlap: true without copies.")
        if self.per_client and self.remainder == "last":
            found.append("remainder: with per_client there is none. Remove one of the two.")
        if self.overlap and self.fixed_draw is not None:
            found.append("fixed_draw: is for classes with one owner each. Remove it, or remove overlap.")
        return found

    def _without_number(self) -> list[str]:
        """Keys that are set and need `per_client`."""
        return [] if self.per_client else [name for name in ("overlap", "copies") if getattr(self, name)]

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Deals each client the examples of its classes.

        Args:
            images: The data.
            pool: Positions to deal.
            demand: Number of clients, least sizes and exact sizes.
            generator: Random generator of the draws.

        Returns:
            One share per client of the pool.

        Raises:
            DataError: A client would own nothing.
        """
        groups = self._draw_groups(len(images.classes), demand.clients, generator)
        if self.per_client and not self.copies:
            shares = self._divide(images, pool, groups, demand, generator)
        else:
            shares = _give_whole_classes(images, pool, groups)
        _refuse_poor(images, shares, groups)
        return shares

    def _divide(
        self,
        images: LabelledImages,
        pool: Share,
        groups: list[Indices],
        demand: Demand,
        generator: np.random.Generator,
    ) -> list[Share]:
        """Divides each class's examples among its owners; classes without an owner are left out."""
        owned = np.zeros((len(images.classes), demand.clients), dtype=bool)
        for client, group in enumerate(groups):
            owned[group, client] = True
        having = np.asarray(owned.any(axis=1))
        held = Share(
            pool.train[having[images.train.labels[pool.train]]],
            pool.test[having[images.test.labels[pool.test]]],
        )
        weights = generator.uniform(*self.uneven, owned.shape) * owned
        if demand.sizes is not None:
            weights = weights * np.maximum(demand.sizes, 1)
        sizes = np.bincount(images.train.labels[held.train], minlength=len(images.classes))
        counts = np.stack(
            [
                apportion(size, row if row.any() else np.ones(len(row)), generator)
                for size, row in zip(sizes, weights, strict=True)
            ]
        )
        # Images of classes that a client does not own come last; a client that gets any is refused below.
        liking = np.where(owned, -1.0, FOREIGN)
        train, test = (
            min(least, len(part) // demand.clients)
            for least, part in ((demand.min_train, held.train), (demand.min_test, held.test))
        )
        counts = raise_to_least(counts, np.full(demand.clients, train), liking)
        return assignment.deal_by_counts(images, held, counts, liking, Demand(demand.clients, train, test), generator)

    def _draw_groups(self, classes: int, clients: int, generator: np.random.Generator) -> list[Indices]:
        """Draws the class numbers of each client, in client order."""
        if self.per_client:
            return self._draw_groups_of_one_size(classes, clients, generator)
        if clients > classes:
            raise DataError(
                f"partition.clients: {clients} clients cannot own disjoint groups of {classes} classes. Use at most "
                f"{classes} clients, label.overlap with label.per_client, or the label shift 'dirichlet'."
            )
        shuffled = self._shuffle(classes, generator)
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

    def _draw_groups_of_one_size(self, classes: int, clients: int, generator: np.random.Generator) -> list[Indices]:
        """Draws `per_client` classes for each client, those with the fewest owners first."""
        each = self.per_client
        if each > classes or (not self.overlap and each * clients > classes):
            raise DataError(
                f"partition.label.per_client: {each} classes for each of {clients} clients are more than the "
                f"{classes} there are. " + ("Use fewer." if each > classes else "Use fewer, or overlap: true.")
            )
        if not self.overlap:
            return np.split(self._shuffle(classes, generator)[: each * clients], clients)
        owners, groups = np.zeros(classes, dtype=np.int64), []
        for _ in range(clients):
            groups.append(np.lexsort((generator.random(classes), owners))[:each])
            owners[groups[-1]] += 1
        return groups

    def _shuffle(self, classes: int, generator: np.random.Generator) -> Indices:
        """Shuffles the class numbers."""
        if self.fixed_draw is None:
            return generator.permutation(classes)
        order = list(range(classes))
        published_generator(self.fixed_draw).shuffle(order)
        return np.array(order, dtype=np.int64)


def _give_whole_classes(images: LabelledImages, pool: Share, groups: list[Indices]) -> list[Share]:
    """Gives every client all examples of its classes."""
    parts = []
    for positions, labels in ((pool.train, images.train.labels), (pool.test, images.test.labels)):
        of_class = [positions[labels[positions] == label] for label in range(len(images.classes))]
        parts.append([np.concatenate([of_class[label] for label in group]) for group in groups])
    return assignment.make_shares(images, *parts)


def _refuse_poor(images: LabelledImages, shares: list[Share], groups: list[Indices]) -> None:
    """Raises a DataError with the clients whose classes have too few examples."""
    for split in ("train", "test"):
        labels = getattr(images, split).labels
        poor = [
            f"client {client} ({', '.join(images.classes[label] for label in group)})"
            for client, (share, group) in enumerate(zip(shares, groups, strict=True))
            if not len(getattr(share, split)) or not np.isin(labels[getattr(share, split)], group).all()
        ]
        if poor:
            raise DataError(
                f"partition.label: too few {split} examples of their own classes for {'; '.join(poor[:5])}"
                f"{f' and {len(poor) - 5} others' * (len(poor) > 5)}. Use fewer than {len(shares)} clients, give "
                f"these classes {split} images, or use label.copies with label.overlap."
            )
