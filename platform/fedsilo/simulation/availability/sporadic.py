"""Clients that are there in some rounds and not in others: each round a draw for each client."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass

from fedsilo.core.config_fields import key
from fedsilo.core.seeds import numpy_generator
from fedsilo.simulation.availability_model import TimedAvailability, TimedModel


@dataclass(frozen=True)
class Sporadic(TimedAvailability):
    """In each round every client is there with a probability."""

    _: KW_ONLY
    online: float = key(0.8, "Probability that a client is there in a round.", within="in (0, 1]")

    def make_model(self, clients: int, seed: int) -> TimedModel:
        """Builds the availability of the clients of a run.

        Args:
            clients: Number of clients.
            seed: The scenario's seed.

        Returns:
            The model.
        """
        return _Model(self, clients, seed)


class _Model(TimedModel):
    """There for the whole of a round, or not at all."""

    availability: Sporadic

    def window(self, client: int, round: int, now: float) -> tuple[float, float]:
        draw = numpy_generator(self.seed, "online", round=round, client=client).random()
        return (now, math.inf) if draw < self.availability.online else (math.inf, math.inf)
