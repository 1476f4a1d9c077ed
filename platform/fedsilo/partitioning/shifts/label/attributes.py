"""Label shift by attribute: each client owns some of the attributes of compositions, with all their training images.

No two clients share an attribute; they share objects. It is the shift of clients that each know a colour or a material.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Demand, LabelledImages, LabelShift, Share
from fedsilo.partitioning.dealing.owned_labels import deal_to_owners, draw_owners, name_owned, require_pairs


@dataclass(frozen=True, slots=True)
class Attributes(LabelShift):
    """Each client owns some attributes alone, for compositions; objects are shared."""

    meets_sizes = False
    mixes = False

    def deal(self, images: LabelledImages, pool: Share, demand: Demand, generator: np.random.Generator) -> list[Share]:
        """Deals each client the images of its attributes.

        Args:
            images: The data.
            pool: Positions to deal.
            demand: Number of clients, least sizes and exact sizes.
            generator: Random generator of the draws.

        Returns:
            One share per client of the pool.

        Raises:
            DataError: The data has no attributes, or too few for so many clients.
        """
        pairs = require_pairs(images, "attributes")
        owners = draw_owners(len(pairs.attributes), demand.clients, "attributes", generator)
        names = name_owned(owners, pairs.attributes, demand.clients)
        return deal_to_owners(images, pool, owners[pairs.attribute], names, demand, generator)
