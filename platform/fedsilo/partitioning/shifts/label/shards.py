"""Label shift by shards: examples are sorted by class and cut into shards, and each client gets a number of shards.

Source: McMahan et al., "Communication-efficient learning of deep networks from decentralized data", AISTATS 2017,
arXiv:1602.05629, section 3 (200 shards of MNIST, two to each of 100 clients). The test split follows class by class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Demand, Indices, LabelledImages, LabelShift, Share
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.integer_rounding import raise_to_least


@dataclass(frozen=True, slots=True)
class Shards(LabelShift):
    """A number of pieces of the sorted examples for each client, and so about as many classes."""

    per_client: int = key(2, "Shards of each client.", within=">= 1")

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Cuts the sorted examples into shards and deals them.

        Args:
            images: The data.
            pool: Positions to deal.
            demand: Number of clients, least sizes and exact sizes.
            generator: Random generator of the draws.

        Returns:
            One share per client of the pool.

        Raises:
            DataError: There are fewer examples than shards.
        """
        clients, each = demand.clients, self.per_client
        if demand.sizes is not None:
            each = min(each, max(1, int(demand.sizes.max())))  # any more shards would be empty
        elif len(pool.train) < clients * each:
            assignment.refuse(
                [
                    f"{clients} clients with {each} shards each need {clients * each} training examples, there are "
                    f"{len(pool.train)}. Use fewer clients, or label.per_client={max(1, len(pool.train) // clients)}."
                ]
            )
        owners = generator.permutation(np.arange(clients * each) % clients)
        ordered = np.sort(images.train.labels[pool.train])
        held = np.zeros((len(images.classes), clients), dtype=np.int64)
        np.add.at(held, (ordered, np.repeat(owners, self._sizes(len(ordered), owners, demand))), 1)
        with np.errstate(divide="ignore"):
            held = raise_to_least(held, np.full(clients, demand.min_train), np.log(held))
        # The examples of a class are drawn, because it does not matter which of them a shard has.
        return assignment.deal_by_counts(
            images, pool, held, np.full(held.shape, -np.log(clients + 1)), demand, generator
        )

    def _sizes(self, total: int, owners: Indices, demand: Demand) -> Indices:
        """(shards,) sizes: equal, or such that each client's shards add up to its size."""
        if demand.sizes is None:
            return np.diff(np.arange(len(owners) + 1) * total // len(owners))
        each = len(owners) // demand.clients
        counts: Indices = demand.sizes[owners] // each
        # The first few shards of each client get one more where its size is not divisible.
        order = np.argsort(owners, kind="stable")
        counts[order] += np.tile(np.arange(each), demand.clients) < (demand.sizes % each)[owners[order]]
        return counts
