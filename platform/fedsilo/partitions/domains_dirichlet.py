"""Feature and label shift at once: several clients per domain, and inside a domain labels by Dirichlet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo import allotment
from fedsilo.contracts import LabelledImages, Partition, Share
from fedsilo.fields import key


@dataclass(frozen=True, slots=True)
class DomainsDirichlet(Partition):
    """Each domain is dealt to clients of its own by label proportions from Dir(beta, ..., beta).

    Clients are numbered domain by domain. Train and test have the same proportions.
    """

    clients_per_domain: int = key(3, "Number of clients of each domain, >= 1.")
    beta: float = key(0.3, "Concentration, above 0: 0.1 gives a client few classes, 100 nearly equal parts of all.")
    min_train: int = key(2, "Training examples that every client gets at the least, >= 1.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        problems = allotment.count_problems("clients_per_domain", self.clients_per_domain)
        return problems + allotment.beta_problems(self.beta) + allotment.count_problems("min_train", self.min_train)

    def split(self, images: LabelledImages, generator: np.random.Generator) -> list[Share]:
        """Returns one share per client. Raises DataError naming every domain that is too small."""
        allotment.refuse(self.problems())
        pools = allotment.by_domain(images)
        clients, least = self.clients_per_domain, self.min_train
        allotment.refuse([problem for pool in pools for problem in allotment.size_problems(pool, clients, least)])
        spread = allotment.Spread(clients, self.beta, least)
        return [share for pool in pools for share in allotment.dirichlet_deal(images, pool, spread, generator)]
