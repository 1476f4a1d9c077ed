"""FedAvgM: the server steps along the clients' mean change with momentum.

Source: Hsu, Qi, Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification",
2019, arXiv:1909.06335: v = beta v + D, w = w + eta v, D the mean change. With beta 0 and eta 1 it is FedAvg.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.core.types import State
from fedsilo.training.server_optimizers import FIRST, ServerOptimizer


@dataclass(frozen=True)
class FedAvgMStrategy(ServerOptimizer):
    """FedAvg with momentum on the server."""

    server_rate: float = key(1.0, "Step size eta of the server.", within="> 0")
    server_momentum: float = key(0.9, "Momentum beta of the server.", within="in [0, 1)")

    def memory(self) -> tuple[str, ...]:
        """Returns the prefix of the velocity."""
        return (FIRST,)

    def step(self, change: Tensor, memory: State) -> tuple[Tensor, State]:
        """Computes the velocity v = beta v + D.

        Args:
            change: D, the mean change of one parameter, fp64.
            memory: The velocity of the round before by prefix; empty in the first round.

        Returns:
            eta v, and v by prefix.
        """
        velocity = self.server_momentum * memory[FIRST] + change if FIRST in memory else change
        return self.server_rate * velocity, {FIRST: velocity}
