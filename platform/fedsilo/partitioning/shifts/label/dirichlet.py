"""Label shift by class: each class is spread over the clients in proportions from a Dirichlet distribution.

Source: Hsu, Qi and Brown, "Measuring the effects of non-identical data distribution for federated visual
classification", 2019, arXiv:1909.06335, in the form used since (Yurochkin et al., ICML 2019; Li et al., ICDE 2022): one
draw per class over the clients. Papers draw again until every client has enough; here single examples are moved
instead, which always ends. With a quantity shift the proportions are scaled until clients have their sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Demand, Floats, Indices, LabelledImages, LabelShift, Share
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.integer_rounding import apportion, draw_log_dirichlet, fit_margins, raise_to_least


@dataclass(frozen=True, slots=True)
class Dirichlet(LabelShift):
    """Class proportions over the clients from Dir(beta, ..., beta), the same for train and test."""

    beta: float = key(0.5, "Concentration, above 0: 0.1 gives a client few classes, 100 nearly equal parts of all.")
    capped: bool = key(
        False,
        "A client that holds an equal share of the training examples gets none of the classes that follow; has "
        "no effect under a quantity shift.",
    )

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        return assignment.beta_problems(self.beta)

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Deals each class in Dirichlet proportions.

        Args:
            images: The data.
            pool: Positions to deal.
            demand: Number of clients, least sizes and exact sizes.
            generator: Random generator of the draws.

        Returns:
            One share per client of the pool.
        """
        sizes = np.bincount(images.train.labels[pool.train], minlength=len(images.classes))
        liking = draw_log_dirichlet(len(sizes), demand.clients, self.beta, generator)
        with np.errstate(divide="ignore"):
            wanted = liking + np.log(sizes)[:, None]
        if demand.sizes is None:
            counts = _class_by_class(sizes, liking, self.capped, generator)
            train = raise_to_least(counts, np.full(demand.clients, demand.min_train), wanted)
        else:
            train = fit_margins(liking, sizes, demand.sizes, generator)
        return assignment.deal_by_counts(images, pool, train, liking, demand, generator)


def _class_by_class(sizes: Indices, liking: Floats, capped: bool, generator: np.random.Generator) -> Indices:
    """(K, N) training examples of each class for each client, class 0 first, by (K, N) log proportions."""
    clients = liking.shape[1]
    held = np.zeros(clients, dtype=np.int64)
    counts = []
    for size, row in zip(sizes, liking, strict=True):
        weights = np.exp(row)
        wanting = held * clients < sizes.sum()
        if capped and wanting.any():
            # Scaled by the largest of those left: all of their proportions may underflow.
            weights = np.exp(np.where(wanting, row - row[wanting].max(), -np.inf))
        counts.append(apportion(size, weights, generator))
        held += counts[-1]
    return np.stack(counts)
