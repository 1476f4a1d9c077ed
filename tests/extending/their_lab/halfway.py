"""The server goes a part of the way to the clients' mean."""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core.config_fields import key
from fedsilo.core.learner import Learner
from fedsilo.core.round_work import ServerWork
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging


@dataclass(frozen=True)
class Halfway(Averaging):
    """FedAvg with a slow server."""

    part: float = key(0.5, "How far the server goes.", within="in (0, 1]")

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Returns the shared state, moved towards the mean."""
        return {**work.shared, **{n: work.shared[n] + self.part * (m - work.shared[n]) for n, m in work.mean.items()}}
