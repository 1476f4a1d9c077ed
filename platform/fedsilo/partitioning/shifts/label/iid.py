"""No label shift: examples are shuffled and cut, so all clients draw from the same distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Demand, LabelledImages, LabelShift, Share
from fedsilo.partitioning.dealing import example_assignment as assignment


@dataclass(frozen=True, slots=True)
class Iid(LabelShift):
    """Parts of the shuffled examples, of equal size unless there is a quantity shift.

    It is not stratified: class counts vary as in any random sample, as in the IID split of the literature.
    """

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Shuffles the examples and cuts them into parts.

        Args:
            images: The data.
            pool: Positions to deal.
            demand: Number of clients, least sizes and exact sizes.
            generator: Random generator of the draws.

        Returns:
            One share per client of the pool.
        """
        if demand.sizes is None:
            parts = (
                np.array_split(generator.permutation(positions), demand.clients)
                for positions in (pool.train, pool.test)
            )
            return assignment.make_shares(images, *parts)
        train = assignment.cut(pool.train, demand.sizes, generator)
        sizes = assignment.apportion_test_sizes(pool, demand, demand.sizes, generator)
        return assignment.make_shares(images, train, assignment.cut(pool.test, sizes, generator))
