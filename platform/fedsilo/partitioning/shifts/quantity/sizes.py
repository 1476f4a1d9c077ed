"""Explicit sizes: a given number of training images for each client; the rest of the data is not used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedsilo.core import Floats, QuantityShift
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError


@dataclass(frozen=True, slots=True)
class ExplicitSizes(QuantityShift):
    """A given number of training images for each client."""

    absolute = True

    of: list[int] = key(list, "One number per client, in client order; or one number for all clients.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        if not self.of:
            return ["of: missing. Give the clients' sizes, for example [100, 50, 20]."]
        return [f"of: sizes must be at least 1, got {size}." for size in self.of if size < 1][:1]

    def weights(self, clients: int, generator: np.random.Generator) -> Floats | None:
        """Gives the written sizes.

        Args:
            clients: Number of clients.
            generator: Not used.

        Returns:
            (clients,) numbers of training images.

        Raises:
            DataError: There are neither as many sizes as clients nor a single one.
        """
        if len(self.of) not in (1, clients):
            raise DataError(
                f"partition.quantity.of: {len(self.of)} sizes for {clients} clients. Give one for each client, and "
                "none for the clients of unseen domains, or a single one for all."
            )
        return np.full(clients, 1.0) * np.array(self.of, dtype=np.float64)
