"""Clients that come and go: for each an alternating renewal process in simulated time.

Times there and times away are independent exponential draws, so that a client is there for
mean_online_s / (mean_online_s + mean_offline_s) of all time; whether it is at the beginning is drawn by that share.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import KW_ONLY, dataclass

import numpy as np

from fedsilo.core.config_fields import key
from fedsilo.core.seeds import numpy_generator
from fedsilo.simulation.availability_model import TimedAvailability, TimedModel


@dataclass(frozen=True)
class Renewal(TimedAvailability):
    """Every client comes and goes, for times that are drawn."""

    _: KW_ONLY
    mean_online_s: float = key(60.0, "Mean of the times that a client is there, simulated seconds.", within="> 0")
    mean_offline_s: float = key(30.0, "Mean of the times that it is away.", within="> 0")

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
    """Changes of each client, drawn as far ahead as they are asked for."""

    availability: Renewal

    def __init__(self, availability: Renewal, clients: int, seed: int) -> None:
        super().__init__(availability, clients, seed)
        self._draws: dict[int, np.random.Generator] = {}
        self._changes: dict[int, list[float]] = {}
        """Of each client: it is there from the first to the second, from the third to the fourth, and so on."""

    def window(self, client: int, round: int, now: float) -> tuple[float, float]:
        changes = self._until(client, now)
        passed = bisect_right(changes, now)  # odd: it is there
        return (now, changes[passed]) if passed % 2 else (changes[passed], changes[passed + 1])

    def _until(self, client: int, now: float) -> list[float]:
        """The client's changes, two of them at least after a moment."""
        changes = self._changes.setdefault(client, [])
        draws = self._draws.setdefault(client, numpy_generator(self.seed, "presence", client=client))
        if not changes:
            online, offline = self.availability.mean_online_s, self.availability.mean_offline_s
            there = draws.random() < online / (online + offline)
            changes.append(0.0 if there else float(draws.exponential(offline)))
        while len(changes) < 2 or changes[-2] <= now:
            mean = self.availability.mean_online_s if len(changes) % 2 else self.availability.mean_offline_s
            changes.append(changes[-1] + float(draws.exponential(mean)))
        return changes
