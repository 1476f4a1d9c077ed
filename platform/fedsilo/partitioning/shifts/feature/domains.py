"""Feature shift by domain: each client draws from one domain; a domain has one client or several.

Source: the domain splits of FedBN (Li et al., ICLR 2021, arXiv:2102.07623), with one client per domain, and of the
prompt papers after it, with several clients per domain and labels by Dirichlet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import FeatureExtractor, FeatureShift, Grouping, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError


@dataclass(frozen=True, slots=True)
class Domains(FeatureShift):
    """Clients are spread evenly over the domains, in domain order; nothing is drawn."""

    clients_of: dict[str, int] = key(
        dict,
        "Clients of single domains, for example {photo: 3}; the other domains share the rest of partition.clients.",
    )

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        return [f"clients_of.{name}: must be at least 1, got {n}." for name, n in self.clients_of.items() if n < 1]

    def grouping(
        self, images: LabelledImages, clients: int | None, generator: np.random.Generator, look: FeatureExtractor
    ) -> Grouping:
        """Groups the images by domain.

        Args:
            images: The data.
            clients: Number of clients; None: one per domain that `clients_of` does not list.
            generator: Not used.
            look: Computes image features; not used.

        Returns:
            One group per domain, each with clients of its own.

        Raises:
            DataError: There is one domain only, or there are fewer clients than domains.
        """
        if len(images.domains) < 2:
            raise DataError(
                f"partition.feature: 'domains' needs several domains to train on, and there is one "
                f"('{images.domains[0]}'). Use data with several domains, or remove partition.feature."
            )
        counts = self._counts(images.domains, clients)
        if sum(counts) > len(images.train):
            raise DataError(
                f"partition.feature.clients_of: {sum(counts)} clients for {len(images.train)} images. Use fewer."
            )
        weights = np.repeat(np.eye(len(counts)), counts, axis=1)
        return Grouping(images.train.domains, images.test.domains, images.domains, weights)

    def _counts(self, domains: tuple[str, ...], clients: int | None) -> list[int]:
        """Number of clients of each domain."""
        unknown = [name for name in self.clients_of if name not in domains]
        if unknown:
            raise DataError(
                f"partition.feature.clients_of: no domain {', '.join(map(repr, unknown))}. "
                f"There are {', '.join(domains)}."
            )
        open_domains = [name for name in domains if name not in self.clients_of]
        left = len(open_domains) if clients is None else clients - sum(self.clients_of.values())
        if left < len(open_domains) or (left and not open_domains):
            raise DataError(
                f"partition.clients: {clients} client{'s'[: clients != 1]} cannot be spread over {len(domains)} domains"
                f"{' with clients_of ' + str(dict(self.clients_of)) if self.clients_of else ''}, each with a client of "
                "its own. Use at least one per domain, or the feature shift 'mixture'."
            )
        each, rest = divmod(left, max(1, len(open_domains)))
        return [
            self.clients_of.get(name, each + (name in open_domains and open_domains.index(name) < rest))
            for name in domains
        ]
