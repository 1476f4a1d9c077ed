"""Label shift from the client's side: each client draws its mixture of classes from a Dirichlet distribution.

A client's mixture is a draw from Dir(beta K p), where p are the classes' proportions in the pool; small beta K leaves a
client one class, whatever its size. Clients have equal sizes unless there is a quantity shift, and every example goes
to one of them: the drawn mixtures are scaled until classes and clients come out even, which changes them as little as
that takes (the nearest in relative entropy).

Source: Hsu, Qi and Brown, 2019, arXiv:1909.06335, section 3 (their alpha is beta K here, and they draw with
replacement until a class runs out, which leaves the last clients what nobody wanted).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo import allotment
from fedsilo.apportionment import apportion, fitted, log_dirichlet
from fedsilo.contracts import Demand, Floats, LabelledImages, LabelShift, Share
from fedsilo.fields import key


@dataclass(frozen=True, slots=True)
class DirichletByClient(LabelShift):
    """Each client's mixture of classes from Dir(beta, ..., beta), clients of equal size."""

    beta: float = key(0.5, "Concentration, above 0: 0.1 gives a client few classes, 100 nearly the mixture of all.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        return allotment.beta_problems(self.beta)

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Returns one share per client."""
        sizes = np.bincount(images.train.labels[pool.train], minlength=len(images.classes))
        mixtures: Floats = log_dirichlet(demand.clients, len(sizes), self.beta, generator).T
        wanted = demand.sizes
        if wanted is None:
            wanted = apportion(int(sizes.sum()), np.ones(demand.clients), generator)
        with np.errstate(divide="ignore"):
            weighted = np.where(sizes[:, None] > 0, mixtures + np.log(np.maximum(sizes, 1))[:, None], -np.inf)
        train = fitted(weighted, sizes, wanted, generator)
        return allotment.dealt(images, pool, train, np.minimum(mixtures, 0.0), demand, generator)
