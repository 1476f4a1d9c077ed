"""A partition composed of shifts: groups of images first, then sizes, then labels.

    long tail          classes thinned out by rank
    feature shift      images in groups, clients in groups
    quantity shift     number of training images of each client
    label shift        inside each group, examples to clients

Each group is a pool that a label shift deals to the group's clients. Where clients draw from several groups, each
group is dealt to all clients, in sizes with which groups and clients match, and every client keeps its preferred
classes from group to group.

Dimensions: G groups, N clients.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fedsilo.core import (
    Demand,
    FeatureExtractor,
    FeatureShift,
    Floats,
    Grouping,
    Indices,
    LabelledImages,
    LabelShift,
    QuantityShift,
    Share,
)
from fedsilo.core.errors import DataError
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.integer_rounding import apportion_at_least, apportion_within, fit_margins
from fedsilo.partitioning.dealing.long_tail import thin_by_rank

Draws = tuple[np.random.Generator, np.random.Generator]
"""Random generators of label shifts and of sizes."""


@dataclass(frozen=True, slots=True)
class Composition:
    """Parts of a composed partition.

    Attributes:
        label: The label shift.
        feature: The feature shift.
        quantity: The quantity shift.
        clients: Number of clients; None: as the feature shift decides.
        min_train: Least training examples of each client.
        min_test: Least test examples of each client.
        measured_on_all: Whether clients are measured on all test images in the end. Then a split may leave clients
            without test images of their own, and `min_test` holds as far as the images go.
        long_tail: Training images of the most frequent class per image of the rarest; 1 keeps classes as they are.
    """

    label: LabelShift
    feature: FeatureShift
    quantity: QuantityShift
    clients: int | None = None
    min_train: int = 1
    min_test: int = 1
    measured_on_all: bool = False
    long_tail: float = 1.0

    def split(self, images: LabelledImages, generator: np.random.Generator, look: FeatureExtractor) -> list[Share]:
        """Splits the data group by group.

        Args:
            images: The data.
            generator: Random generator of all draws. Label shifts draw from it alone, and draw the clients' preferred
                classes before anything that depends on sizes: if all clients draw from one group, a quantity shift does
                not change their preferences.
            look: Computes image features.

        Returns:
            One share per client.

        Raises:
            DataError: The data cannot be split so.
        """
        for_feature, for_quantity, for_tail, for_sizes = generator.spawn(4)
        # Checked before the feature shift computes features of so many images.
        if self.clients is not None and self.clients > len(images.train):
            self._refuse_few([Share(np.arange(len(images.train)), np.arange(len(images.test)))], [self.clients])
        grouping = self.feature.grouping(images, self.clients, for_feature, look)
        weights = self.quantity.weights(grouping.weights.shape[1], for_quantity)
        if weights is not None and self.quantity.absolute and weights.min() < self.min_train:
            raise DataError(
                f"partition.quantity.of: a size of {int(weights.min())} is below partition.min_train={self.min_train}. "
                "Raise the size or lower min_train."
            )
        pools = _make_pools(grouping, thin_by_rank(images, self.long_tail, for_tail))
        if grouping.apart:
            dealt = self._deal_apart(images, pools, grouping, weights, (generator, for_sizes))
        else:
            dealt = self._deal_mixed(images, pools, grouping, weights, (generator, for_sizes))
        self._refuse_small(dealt)
        return dealt

    def _deal_apart(
        self, images: LabelledImages, pools: list[Share], grouping: Grouping, weights: Floats | None, draws: Draws
    ) -> list[Share]:
        """Deals groups where every client draws from one group."""
        members = [np.flatnonzero(row) for row in grouping.weights]
        self._refuse_few(pools, [len(who) for who in members])
        shares: dict[int, Share] = {}
        for pool, who in zip(pools, members, strict=True):
            demand = self._demand(len(who), pool)
            dealt = self._deal_pool(images, pool, demand, None if weights is None else weights[who], draws)
            for client, share in zip(who.tolist(), dealt, strict=True):
                shares[client] = replace(share, domain=pool.domain or share.domain)
        return [shares[client] for client in range(len(shares))]

    def _deal_pool(
        self, images: LabelledImages, pool: Share, demand: Demand, weights: Floats | None, draws: Draws
    ) -> list[Share]:
        """Deals a pool to its clients, in sizes by their weights if there are weights."""
        generator, for_sizes = draws
        if weights is None:
            return self.label.deal(images, pool, demand, generator)
        total, exactly = len(pool.train), self.quantity.absolute
        if exactly:
            total = int(weights.sum())
        if exactly and self.label.meets_sizes:
            pool = _pick(pool, total, for_sizes)
        demand = replace(demand, sizes=apportion_at_least(self.min_train, total, weights, for_sizes))
        dealt = self.label.deal(images, pool, demand, generator)
        if self.label.meets_sizes:
            return dealt
        return assignment.thin_out(images, dealt, demand, exactly, for_sizes)

    def _deal_mixed(
        self, images: LabelledImages, pools: list[Share], grouping: Grouping, weights: Floats | None, draws: Draws
    ) -> list[Share]:
        """Deals groups where clients draw from several groups."""
        if not self.label.mixes:
            raise DataError(
                "partition.label: this label shift deals all images of a client from one pool, and under this feature "
                "shift clients draw from several. Use iid, dirichlet, dirichlet_by_client or shards, or the feature "
                "shift 'domains'."
            )
        generator, for_sizes = draws
        clients, available = grouping.weights.shape[1], np.array([len(pool.train) for pool in pools])
        whole = Share(np.arange(available.sum()), np.arange(len(images.test)))
        self._refuse_few([whole], [clients])
        least = self._demand(clients, whole).min_test
        wanted = np.ones(clients) if weights is None else weights
        exactly = weights is not None and self.quantity.absolute
        sizes = apportion_at_least(self.min_train, int(wanted.sum() if exactly else available.sum()), wanted, for_sizes)
        mixtures = grouping.weights / grouping.weights.sum(axis=0)
        if exactly:
            _refuse_more(int(sizes.sum()), int(available.sum()), "")
            rows = apportion_within(available, int(sizes.sum()), mixtures @ sizes, for_sizes)
            pools = [_pick(pool, size, for_sizes) for pool, size in zip(pools, rows.tolist(), strict=True)]
        table = _fit_table(mixtures, np.array([len(pool.train) for pool in pools]), sizes, for_sizes)
        parts: list[list[Share]] = [[] for _ in range(clients)]
        for pool, row in zip(pools, table, strict=True):
            again = copy.deepcopy(generator)  # same draws for every group: a client prefers the same classes in all
            for part, share in zip(
                parts, self.label.deal(images, pool, Demand(clients, 0, 0, row), again), strict=True
            ):
                part.append(share)
        return _ensure_test_images(images, [_join(images, part) for part in parts], least)

    def _demand(self, clients: int, pool: Share) -> Demand:
        """The least sizes of the clients of a pool."""
        least = min(self.min_test, len(pool.test) // clients) if self.measured_on_all else self.min_test
        return Demand(clients, self.min_train, least)

    def _refuse_few(self, pools: Sequence[Share], clients: Sequence[int]) -> None:
        """Raises a DataError with all pools that are too small for their clients."""
        pairs = [(pool, self._demand(n, pool)) for pool, n in zip(pools, clients, strict=True)]
        assignment.refuse([line for pool, demand in pairs for line in assignment.size_problems(pool, demand)])

    def _refuse_small(self, shares: Sequence[Share]) -> None:
        """Raises a DataError for clients below the least sizes: label shifts that move nothing may leave some."""
        for split, least in (("train", self.min_train), ("test", 0 if self.measured_on_all else self.min_test)):
            small = [str(n) for n, share in enumerate(shares) if len(getattr(share, split)) < least]
            if small:
                raise DataError(
                    f"partition.min_{split}: {least} {split} example{'s'[: least > 1]} are not available for client "
                    f"{', '.join(small[:5])}{' and others' * (len(small) > 5)} under this label shift. Use fewer "
                    "clients, more data or another label shift."
                )


def _make_pools(grouping: Grouping, usable: Indices) -> list[Share]:
    groups = grouping.train[usable]
    return [
        Share(usable[groups == number], np.flatnonzero(grouping.test == number), name)
        for number, name in enumerate(grouping.names)
    ]


def _pick(pool: Share, size: int, generator: np.random.Generator) -> Share:
    """Draws a number of training images of a pool."""
    _refuse_more(size, len(pool.train), pool.domain)
    return replace(pool, train=np.sort(generator.permutation(pool.train)[:size]))


def _refuse_more(size: int, available: int, domain: str) -> None:
    if size > available:
        here = f" in '{domain}'" if domain else ""
        raise DataError(
            f"partition.quantity.of: the sizes add up to {size} training images, there are {available}{here}. "
            "Use smaller sizes."
        )


def _fit_table(mixtures: Floats, rows: Indices, sizes: Indices, generator: np.random.Generator) -> Indices:
    """(G, N) training images of each group for each client. Raises DataError where no mixture matches."""
    with np.errstate(divide="ignore"):
        table = fit_margins(np.log(mixtures), rows, sizes, generator)
    foreign = np.where(mixtures > 0, 0, table).sum(axis=0)
    if (foreign > len(rows)).any():  # len(rows) of them may come from rounding
        client = int(foreign.argmax())
        raise DataError(
            f"partition.feature.weights: to deal all images, client {client} would have to get "
            f"{foreign[client]} of its {sizes[client]} training images from domains that it does not draw from. Write "
            "other weights, or leave images over with partition.quantity: {name: sizes, of: [...]}."
        )
    return table


def _join(images: LabelledImages, parts: Sequence[Share]) -> Share:
    train, test = (np.concatenate([getattr(part, split) for part in parts]) for split in ("train", "test"))
    return assignment.make_shares(images, [train], [test])[0]


def _ensure_test_images(images: LabelledImages, shares: list[Share], least: int) -> list[Share]:
    """Shares with a minimum of test images each, moved one at a time from the client with most.

    They are of a class and a domain that the client trains on, where possible.
    """
    labels, domains = images.test.labels, images.test.domains
    owner = np.full(len(labels), -1)
    for client, share in enumerate(shares):
        owner[share.test] = client
    held = np.bincount(owner[owner >= 0], minlength=len(shares))
    for client in np.flatnonzero(held < least).tolist():
        train = shares[client].train
        own = 2 * np.isin(labels, images.train.labels[train]) + np.isin(domains, images.train.domains[train])
        while held[client] < least:
            spare = (owner >= 0) & (held[owner] > least)
            moved = np.where(spare, own * len(labels) + held[owner], -1).argmax()
            held[owner[moved]] -= 1
            held[client] += 1
            owner[moved] = client
    order = np.argsort(owner, kind="stable")[np.count_nonzero(owner < 0) :]
    return assignment.make_shares(images, [share.train for share in shares], np.split(order, np.cumsum(held)[:-1]))
