"""Label shift: each class is spread over the clients in proportions drawn from a Dirichlet distribution.

Source: Hsu, Qi and Brown, "Measuring the effects of non-identical data distribution for federated visual
classification", 2019, arXiv:1909.06335, in the form used since: one draw per class over the clients. The usual
retry until every client has enough is replaced by moving single examples, which always ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo import allotment
from fedsilo.contracts import LabelledImages, Partition, Share
from fedsilo.fields import key


@dataclass(frozen=True, slots=True)
class Dirichlet(Partition):
    """Class proportions over the clients from Dir(beta, ..., beta), the same for train and test."""

    clients: int = key(10, "Number of clients, >= 1.")
    beta: float = key(0.5, "Concentration, above 0: 0.1 gives a client few classes, 100 nearly equal parts of all.")
    min_train: int = key(2, "Training examples that every client gets at the least, >= 1.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        problems = allotment.count_problems("clients", self.clients) + allotment.beta_problems(self.beta)
        return problems + allotment.count_problems("min_train", self.min_train)

    def split(self, images: LabelledImages, generator: np.random.Generator) -> list[Share]:
        """Returns one share per client. Raises DataError when there are too few examples for the minimum."""
        allotment.refuse(self.problems())
        pool = allotment.everything(images)
        allotment.refuse(allotment.size_problems(pool, self.clients, self.min_train))
        return allotment.dirichlet_deal(images, pool, self.clients, self.beta, self.min_train, generator)
