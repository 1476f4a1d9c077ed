"""Examples shuffled and cut into equal parts: every client draws from the same distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo import allotment
from fedsilo.contracts import LabelledImages, Partition, Share
from fedsilo.fields import key


@dataclass(frozen=True, slots=True)
class Iid(Partition):
    """Equal parts of the shuffled examples; sizes differ by at most one.

    Not stratified: class counts vary as they do in any random sample, which is what the literature's IID split is.
    """

    clients: int = key(10, "Number of clients, >= 1.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        return allotment.count_problems("clients", self.clients)

    def split(self, images: LabelledImages, generator: np.random.Generator) -> list[Share]:
        """Returns one share per client. Raises DataError when there are fewer examples than clients."""
        allotment.refuse(self.problems())
        pool = allotment.everything(images)
        allotment.refuse(allotment.size_problems(pool, self.clients))
        train, test = (
            np.array_split(generator.permutation(positions), self.clients) for positions in (pool.train, pool.test)
        )
        return allotment.named(images, train, test)
