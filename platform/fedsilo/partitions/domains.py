"""Feature shift: one client per domain, with all the domain's images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo import allotment
from fedsilo.contracts import LabelledImages, Partition, Share
from fedsilo.errors import DataError


@dataclass(frozen=True, slots=True)
class Domains(Partition):
    """One client per domain, in domain order; nothing is drawn."""

    def split(self, images: LabelledImages, generator: np.random.Generator) -> list[Share]:
        """Returns one share per domain. Raises DataError for a single domain or one that lacks a split."""
        if len(images.domains) < 2:
            raise DataError(
                f"partition: 'domains' makes a client of each domain, and this data has one ('{images.domains[0]}'). "
                "Use data with several domains, or the rule 'iid', 'dirichlet' or 'classes'."
            )
        shares = allotment.by_domain(images)
        allotment.refuse([problem for share in shares for problem in allotment.size_problems(share, 1)])
        return shares
