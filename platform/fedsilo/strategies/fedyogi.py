"""FedYogi: the server steps along the clients' mean change by Yogi.

Source: Reddi et al., "Adaptive Federated Optimization", ICLR 2021, arXiv:2003.00295, algorithm 2:
v = v - (1 - beta_2) D^2 sign(v - D^2), D the mean change. The rest is in `training.server_optimizers`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.training.server_optimizers import Adaptive


@dataclass(frozen=True)
class FedYogiStrategy(Adaptive):
    """FedAvg with Yogi on the server."""

    beta_2: float = key(0.99, "Decay of the mean of squared changes.", within="in [0, 1)")

    def update_second_moment(self, before: Tensor, square: Tensor) -> Tensor:
        """Moves v towards the squared change, by a step whose size does not depend on v.

        Args:
            before: v of the round before.
            square: D^2, the squared mean change, of the same shape.

        Returns:
            v = v - (1 - beta_2) D^2 sign(v - D^2).
        """
        return before - (1 - self.beta_2) * square * (before - square).sign()
