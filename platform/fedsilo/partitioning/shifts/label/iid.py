"""No label shift: examples shuffled and cut, every client draws from the same distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Demand, LabelledImages, LabelShift, Share
from fedsilo.partitioning.dealing import example_assignment as assignment


@dataclass(frozen=True, slots=True)
class Iid(LabelShift):
    """Parts of the shuffled examples, equal ones unless there is a quantity shift.

    Not stratified: class counts vary as they do in any random sample, which is what the literature's IID split is.
    """

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Returns one share per client."""
        if demand.sizes is None:
            parts = (
                np.array_split(generator.permutation(positions), demand.clients)
                for positions in (pool.train, pool.test)
            )
            return assignment.make_shares(images, *parts)
        train = assignment.cut(pool.train, demand.sizes, generator)
        sizes = assignment.apportion_test_sizes(pool, demand, demand.sizes, generator)
        return assignment.make_shares(images, train, assignment.cut(pool.test, sizes, generator))
