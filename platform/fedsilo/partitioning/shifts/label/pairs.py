"""Label shift by pair: each client owns some of the seen pairs of compositions; a part of them belongs to all clients.

What one client trains on is unseen at another: with `shared: 0.0` every seen pair is trained on by one client only, so
each of its words may be known to many clients and the pair to one. `dirichlet` is the smooth form of this shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Demand, LabelledImages, LabelShift, Share
from fedsilo.core.config_fields import key
from fedsilo.partitioning.dealing.owned_labels import ALL, deal_to_owners, draw_owners, name_owned, require_pairs


@dataclass(frozen=True, slots=True)
class OwnedPairs(LabelShift):
    """Each client owns some seen pairs alone, for compositions; other pairs may be shared by all clients."""

    meets_sizes = False
    mixes = False

    shared: float = key(
        0.0,
        "Part of the seen pairs that all clients have, in equal parts of their images, rounded; each other pair is "
        "trained on by one client and unseen at all others.",
        within="in [0, 1]",
    )

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Deals each client the images of its pairs, and a part of those of shared pairs.

        Args:
            images: The data.
            pool: Positions to deal.
            demand: Number of clients, least sizes and exact sizes.
            generator: Random generator of the draws.

        Returns:
            One share per client of the pool.

        Raises:
            DataError: The data has no pairs, or too few for so many clients.
        """
        pairs = require_pairs(images, "pairs")
        order = generator.permutation(len(pairs))
        owned = order[round(self.shared * len(pairs)) :]
        owners = np.full(len(pairs), ALL, dtype=np.int64)
        if len(owned):
            owners[owned] = draw_owners(len(owned), demand.clients, "pairs that are not shared", generator)
        names = name_owned(owners, images.classes, demand.clients)
        return deal_to_owners(images, pool, owners, names, demand, generator)
