"""Feature shift by mixture: each client draws from all domains, from some more than from others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fedsilo.core import FeatureExtractor, FeatureShift, Floats, Grouping, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.partitioning.dealing import example_assignment as assignment
from fedsilo.partitioning.dealing.integer_rounding import FAINTEST, draw_log_dirichlet

USUAL = 10


@dataclass(frozen=True, slots=True)
class Mixture(FeatureShift):
    """Domain weights of each client, drawn from Dir(beta, ..., beta) or written.

    All images of a domain are dealt: weights are scaled until domains and clients match. Only with the quantity shift
    `sizes`, which leaves images over, are they met exactly, as long as the domains have enough images.
    """

    beta: float = key(0.5, "Concentration, above 0: 0.1 gives a client nearly one domain, 100 the same mix to all.")
    weights: list[dict[str, float]] = key(
        list, "One mapping per client instead of a draw, for example [{photo: 3, sketch: 1}, {neon: 1}]."
    )

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        problems = assignment.beta_problems(self.beta)
        for client, row in enumerate(self.weights):
            if not all(0 <= weight < math.inf for weight in row.values()) or not any(row.values()):
                problems.append(
                    f"weights.{client}: must be finite, 0 or more, above 0 for some domain, got {dict(row)}."
                )
        return problems

    def grouping(
        self, images: LabelledImages, clients: int | None, generator: np.random.Generator, look: FeatureExtractor
    ) -> Grouping:
        """Groups the images by domain and draws each client's domain weights.

        Args:
            images: The data.
            clients: Number of clients; None: as many as there are written weights, else 10.
            generator: Random generator of the weights.
            look: Computes image features; not used.

        Returns:
            One group per domain.

        Raises:
            DataError: There is one domain only, or the written weights do not fit the data.
        """
        if len(images.domains) < 2:
            raise DataError(
                f"partition.feature: 'mixture' needs several domains to train on, and there is one "
                f"('{images.domains[0]}'). Use data with several domains, or remove partition.feature."
            )
        if self.weights:
            weights = self._read_weights(images.domains, clients)
        else:
            draws = draw_log_dirichlet(USUAL if clients is None else clients, len(images.domains), self.beta, generator)
            weights = np.maximum(np.exp(draws.T), FAINTEST)  # drawn weights are above 0, however small beta is
        return Grouping(images.train.domains, images.test.domains, images.domains, weights)

    def _read_weights(self, domains: tuple[str, ...], clients: int | None) -> Floats:
        unknown = sorted({name for row in self.weights for name in row} - set(domains))
        if unknown:
            raise DataError(
                f"partition.feature.weights: no domain {', '.join(map(repr, unknown))}. There are {', '.join(domains)}."
            )
        if clients not in (None, len(self.weights)):
            raise DataError(
                f"partition.feature.weights: {len(self.weights)} mixtures for {clients} clients. Write one for each."
            )
        weights = np.array([[row.get(name, 0.0) for row in self.weights] for name in domains])
        unwanted = [name for name, row in zip(domains, weights, strict=True) if not row.any()]
        if unwanted:
            raise DataError(
                f"partition.feature.weights: no client draws from {', '.join(map(repr, unwanted))}. Let one do so, or "
                "remove the domain from the data, or add it to partition.unseen.domains."
            )
        return weights
