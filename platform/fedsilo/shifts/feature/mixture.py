"""Feature shift by mixture: each client draws from all domains, from some more than from others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo import allotment
from fedsilo.apportionment import log_dirichlet
from fedsilo.contracts import FeatureShift, Grouping, LabelledImages, Look
from fedsilo.errors import DataError
from fedsilo.fields import key

USUAL = 10


@dataclass(frozen=True, slots=True)
class Mixture(FeatureShift):
    """Domain weights of each client from Dir(beta, ..., beta), or written out.

    All of a domain's images go to somebody: weights are scaled until domains and clients come out even.
    """

    beta: float = key(0.5, "Concentration, above 0: 0.1 gives a client nearly one domain, 100 the same mix to all.")
    weights: list[dict[str, float]] = key(
        list, "One mapping per client instead of a draw, for example [{photo: 3, sketch: 1}, {neon: 1}]."
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        problems = allotment.beta_problems(self.beta)
        for client, row in enumerate(self.weights):
            if min(row.values(), default=0.0) < 0 or not any(row.values()):
                problems.append(f"weights.{client}: must be 0 or more, above 0 for some domain, got {dict(row)}.")
        return problems

    def grouping(
        self, images: LabelledImages, clients: int | None, generator: np.random.Generator, look: Look
    ) -> Grouping:
        """Returns one group per domain. Raises DataError where written weights do not fit clients and domains."""
        if self.weights:
            weights = self._written(images.domains, clients)
        else:
            weights = np.exp(log_dirichlet(clients or USUAL, len(images.domains), self.beta, generator)).T
        return Grouping(images.train.domains, images.test.domains, images.domains, weights)

    def _written(self, domains: tuple[str, ...], clients: int | None) -> np.ndarray:
        unknown = sorted({name for row in self.weights for name in row} - set(domains))
        if unknown:
            raise DataError(
                f"partition.feature.weights: no domain {', '.join(map(repr, unknown))}. There are {', '.join(domains)}."
            )
        if clients not in (None, len(self.weights)):
            raise DataError(
                f"partition.feature.weights: {len(self.weights)} mixtures for {clients} clients. Write one for each."
            )
        return np.array([[row.get(name, 0.0) for row in self.weights] for name in domains])
