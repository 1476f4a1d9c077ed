"""Label shift by client: each client draws its mixture of classes from a Dirichlet distribution.

A client's mixture is a draw from Dir(beta K p), where p are the proportions of the K classes in the data; small beta
leaves a client one class, whatever its size. Where a domain has other proportions, they tilt the mixture. Clients have
equal sizes unless there is a quantity shift, and every example is dealt: the drawn mixtures are scaled until classes
and clients match, which gives the nearest mixtures in relative entropy.

Source: Hsu, Qi and Brown, 2019, arXiv:1909.06335, section 3 (their alpha is beta K here, and they draw with
replacement until a class runs out, which leaves the unpopular classes to the last clients).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Demand, Floats, LabelledImages, LabelShift, Share
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.integer_rounding import apportion, draw_log_dirichlet, fit_margins


@dataclass(frozen=True, slots=True)
class DirichletByClient(LabelShift):
    """Mixtures of classes around that of the data, clients of equal size."""

    beta: float = key(0.5, "Concentration, above 0: 0.1 gives a client few classes, 100 nearly the mixture of all.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        return assignment.beta_problems(self.beta)

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Deals each client a Dirichlet mixture of classes.

        Args:
            images: The data.
            pool: Positions to deal.
            demand: Number of clients, least sizes and exact sizes.
            generator: Random generator of the draws.

        Returns:
            One share per client of the pool.
        """
        classes = len(images.classes)
        sizes = np.bincount(images.train.labels[pool.train], minlength=classes)
        usual = np.bincount(images.train.labels, minlength=classes)
        # A class without training images counts as an average one.
        usual = np.where(usual > 0, usual, usual.sum() / classes)
        concentration = self.beta * classes * usual / usual.sum()
        mixtures: Floats = draw_log_dirichlet(demand.clients, classes, concentration, generator).T
        wanted = demand.sizes
        if wanted is None:
            wanted = apportion(int(sizes.sum()), np.ones(demand.clients), generator)
        with np.errstate(divide="ignore"):
            weighted = mixtures + np.log(sizes / usual)[:, None]
        train = fit_margins(weighted, sizes, wanted, generator)
        return assignment.deal_by_counts(images, pool, train, np.minimum(mixtures, 0.0), demand, generator)
