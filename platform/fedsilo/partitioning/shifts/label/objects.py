"""Label shift by object: each client owns some of the objects of compositions, with all their training images.

No two clients share an object; they share attributes. It is the shift of clients that each know a kind of product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Demand, LabelledImages, LabelShift, Share
from fedsilo.partitioning.dealing.owned_labels import deal_to_owners, draw_owners, name_owned, require_pairs


@dataclass(frozen=True, slots=True)
class Objects(LabelShift):
    """Each client owns some objects alone, for compositions; attributes are shared."""

    meets_sizes = False
    mixes = False

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Deals each client the images of its objects.

        Args:
            images: The data.
            pool: Positions to deal.
            demand: Number of clients, least sizes and exact sizes.
            generator: Random generator of the draws.

        Returns:
            One share per client of the pool.

        Raises:
            DataError: The data has no objects, or too few for so many clients.
        """
        pairs = require_pairs(images, "objects")
        owners = draw_owners(len(pairs.objects), demand.clients, "objects", generator)
        names = name_owned(owners, pairs.objects, demand.clients)
        return deal_to_owners(images, pool, owners[pairs.object], names, demand, generator)
