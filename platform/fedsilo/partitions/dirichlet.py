"""Label shift: each class is spread over the clients in proportions drawn from a Dirichlet distribution.

Source: Hsu, Qi and Brown, "Measuring the effects of non-identical data distribution for federated visual
classification", 2019, arXiv:1909.06335, in the form used since: one draw per class over the clients. The usual
retry until every client has enough is replaced by moving single examples, which always ends.

`{capped: true, min_train: 10, min_test: 10}` is `noniid-labeldir` of the repositories of FedOTP and DP-FPL (CIFAR-100
in arXiv:2501.13904), where a client with its equal share gets nothing more. Cuts of train and test are rounded down
there, and by largest remainders here, so that a client's part of a class differs by an image at most.
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
    min_test: int = key(allotment.MIN_TEST, "Test examples that every client gets at the least, >= 1.")
    capped: bool = key(
        False, "A client that holds an equal share of the training examples gets none of the classes that follow."
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        problems = allotment.count_problems("clients", self.clients) + allotment.beta_problems(self.beta)
        problems += allotment.count_problems("min_train", self.min_train)
        return problems + allotment.count_problems("min_test", self.min_test)

    def split(self, images: LabelledImages, generator: np.random.Generator) -> list[Share]:
        """Returns one share per client. Raises DataError when there are too few examples for the minimum."""
        allotment.refuse(self.problems())
        pool = allotment.everything(images)
        allotment.refuse(allotment.size_problems(pool, self.clients, self.min_train, self.min_test))
        spread = allotment.Spread(self.clients, self.beta, self.min_train, self.min_test, self.capped)
        return allotment.dirichlet_deal(images, pool, spread, generator)
