"""A partition composed of shifts: first which images a client draws from, then how many, then of which classes.

    long tail          classes thinned out by rank
    feature shift      images in groups, clients in groups
    quantity shift     so many training images for each client
    label shift        inside each group, examples to clients

Each group is a pool that a label shift deals to the group's clients. Where clients draw from several groups, each
group is dealt to all clients, in sizes such that groups and clients come out even, and every client keeps its taste
in classes from one group to the next.

Dimensions: G groups, N clients.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fedsilo import allotment
from fedsilo.apportionment import at_least, fitted
from fedsilo.contracts import (
    Demand,
    FeatureShift,
    Floats,
    Grouping,
    Indices,
    LabelledImages,
    LabelShift,
    Look,
    QuantityShift,
    Share,
)
from fedsilo.errors import DataError


@dataclass(frozen=True, slots=True)
class Composition:
    """What a composed partition is made of.

    Attributes:
        label: The label shift.
        feature: The feature shift.
        quantity: The quantity shift.
        clients: How many clients; None: as the feature shift has it.
        min_train: Training examples that each client gets at the least.
        min_test: Test examples that each client gets at the least.
        long_tail: Training images of the most frequent class for one of the rarest; 1 leaves classes as they are.
    """

    label: LabelShift
    feature: FeatureShift
    quantity: QuantityShift
    clients: int | None = None
    min_train: int = 1
    min_test: int = 1
    long_tail: float = 1.0

    def shares(self, images: LabelledImages, generator: np.random.Generator, look: Look) -> list[Share]:
        """Returns one share per client, group by group. Raises DataError when the data cannot be split so.

        Args:
            images: The data.
            generator: Where all draws come from; label shifts draw from it alone, so that another quantity or feature
                shift changes nothing of their draws.
            look: Gives image features.
        """
        for_feature, for_quantity, for_tail, for_sizes = generator.spawn(4)
        grouping = self.feature.grouping(images, self.clients, for_feature, look)
        weights = self.quantity.weights(grouping.weights.shape[1], for_quantity)
        usable = long_tailed(images, self.long_tail, for_tail)
        if grouping.apart:
            return self._apart(images, usable, grouping, weights, generator, for_sizes)
        return self._mixed(images, usable, grouping, weights, generator, for_sizes)

    def _apart(
        self,
        images: LabelledImages,
        usable: Indices,
        grouping: Grouping,
        weights: Floats | None,
        generator: np.random.Generator,
        for_sizes: np.random.Generator,
    ) -> list[Share]:
        """Shares where every client draws from one group."""
        pools = _pools(grouping, usable)
        members = [np.flatnonzero(row) for row in grouping.weights]
        if weights is not None and self.quantity.absolute:
            pools = [_picked(p, int(weights[who].sum()), for_sizes) for p, who in zip(pools, members, strict=True)]
        demands = [Demand(len(who), self.min_train, self.min_test) for who in members]
        pairs = list(zip(pools, demands, strict=True))
        allotment.refuse([line for pool, demand in pairs for line in allotment.size_problems(pool, demand)])
        shares: dict[int, Share] = {}
        for (pool, demand), who in zip(pairs, members, strict=True):
            if weights is not None:
                sizes = at_least(self.min_train, len(pool.train), weights[who], for_sizes)
                demand = replace(demand, sizes=sizes)
            for client, share in zip(who.tolist(), self.label.deal(images, pool, demand, generator), strict=True):
                shares[client] = replace(share, domain=pool.domain or share.domain)
        dealt = [shares[client] for client in range(len(shares))]
        self._refuse_small(dealt)
        return dealt

    def _mixed(
        self,
        images: LabelledImages,
        usable: Indices,
        grouping: Grouping,
        weights: Floats | None,
        generator: np.random.Generator,
        for_sizes: np.random.Generator,
    ) -> list[Share]:
        """Shares where clients draw from several groups."""
        if not self.label.meets_sizes:
            raise DataError(
                "partition.label: this label shift decides sizes by itself, and clients that draw from several domains "
                "need sizes in each. Use iid, dirichlet, dirichlet_by_client or shards, or the feature shift 'domains'."
            )
        clients = grouping.weights.shape[1]
        everything = Share(usable, np.arange(len(images.test)))
        allotment.refuse(allotment.size_problems(everything, Demand(clients, self.min_train, self.min_test)))
        pools = _pools(grouping, usable)
        wanted = np.ones(clients) if weights is None else weights
        if weights is not None and self.quantity.absolute:
            pools = _picked_alike(pools, int(weights.sum()), for_sizes)
        rows = np.array([len(pool.train) for pool in pools])
        sizes = at_least(self.min_train, int(rows.sum()), wanted, for_sizes)
        with np.errstate(divide="ignore"):
            table = fitted(np.log(grouping.weights / grouping.weights.sum(axis=0)), rows, sizes, for_sizes)
        parts: list[list[Share]] = [[] for _ in range(clients)]
        for pool, row in zip(pools, table, strict=True):
            again = copy.deepcopy(generator)  # the same draws for every group: a client likes the same classes in all
            demand = Demand(clients, 0, 0, row)
            for part, share in zip(parts, self.label.deal(images, pool, demand, again), strict=True):
                part.append(share)
        return _measurable(images, [_joined(images, part) for part in parts], self.min_test)

    def _refuse_small(self, shares: Sequence[Share]) -> None:
        """Rules that move nothing between clients may leave one with less than the least."""
        for split, least in (("train", self.min_train), ("test", self.min_test)):
            small = [str(n) for n, share in enumerate(shares) if len(getattr(share, split)) < least]
            if small:
                raise DataError(
                    f"partition.min_{split}: {least} {split} example{'s'[: least > 1]} cannot be had for client "
                    f"{', '.join(small[:5])}{' and others' * (len(small) > 5)} under this label shift. Use fewer "
                    "clients, more data or another label shift."
                )


def long_tailed(images: LabelledImages, ratio: float, generator: np.random.Generator) -> Indices:
    """Positions of the training images that are left when classes are thinned out exponentially, ascending.

    The class of rank r of K keeps n ratio^(-r / (K - 1)) images, where n is what the largest class has and ranks are
    drawn; a class that has fewer keeps all, and every class keeps one.

    Source: Cui et al., "Class-balanced loss based on effective number of samples", CVPR 2019, arXiv:1901.05555.
    """
    if ratio == 1:
        return np.arange(len(images.train))
    classes = len(images.classes)
    largest = np.bincount(images.train.labels, minlength=classes).max()
    kept = []
    for rank, label in enumerate(generator.permutation(classes)):
        size = max(1, round(largest * ratio ** (-rank / max(1, classes - 1))))
        kept.append(generator.permutation(np.flatnonzero(images.train.labels == label))[:size])
    return np.sort(np.concatenate(kept))


def _pools(grouping: Grouping, usable: Indices) -> list[Share]:
    groups = grouping.train[usable]
    return [
        Share(usable[groups == number], np.flatnonzero(grouping.test == number), name)
        for number, name in enumerate(grouping.names)
    ]


def _picked(pool: Share, size: int, generator: np.random.Generator) -> Share:
    """The pool with so many of its training images, drawn."""
    if size > len(pool.train):
        here = f" in '{pool.domain}'" if pool.domain else ""
        raise DataError(
            f"partition.quantity.of: the sizes add up to {size} training images, there are {len(pool.train)}{here}. "
            "Ask for fewer."
        )
    return replace(pool, train=np.sort(generator.permutation(pool.train)[:size]))


def _picked_alike(pools: Sequence[Share], size: int, generator: np.random.Generator) -> list[Share]:
    """The pools with so many training images in all, drawn from all of them alike."""
    union = _picked(Share(np.concatenate([pool.train for pool in pools]), pools[0].test), size, generator).train
    return [replace(pool, train=pool.train[np.isin(pool.train, union)]) for pool in pools]


def _joined(images: LabelledImages, parts: Sequence[Share]) -> Share:
    train, test = (np.concatenate([getattr(part, split) for part in parts]) for split in ("train", "test"))
    return allotment.named(images, [train], [test])[0]


def _measurable(images: LabelledImages, shares: list[Share], least: int) -> list[Share]:
    """The shares with at least so many test images each, one moved at a time from whoever has most."""
    test = [share.test for share in shares]
    for client in range(len(test)):
        while len(test[client]) < least:
            donor = max(range(len(test)), key=lambda other: len(test[other]))
            test[client], test[donor] = np.append(test[client], test[donor][-1]), test[donor][:-1]
    return allotment.named(images, [share.train for share in shares], test)
