"""FedAdam: the server steps along the clients' mean change by Adam.

Source: Reddi et al., "Adaptive Federated Optimization", ICLR 2021, arXiv:2003.00295, algorithm 2:
v = beta_2 v + (1 - beta_2) D^2, D the mean change. The rest is in `training.server_optimizers`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.training.server_optimizers import Adaptive


@dataclass(frozen=True)
class FedAdamStrategy(Adaptive):
    """FedAvg with Adam on the server."""

    beta_2: float = key(0.99, "Decay of the mean of squared changes.", within="in [0, 1)")

    def update_second_moment(self, before: Tensor, square: Tensor) -> Tensor:
        """Averages the squared changes with decay beta_2.

        Args:
            before: v of the round before.
            square: D^2, the squared mean change, of the same shape.

        Returns:
            v = beta_2 v + (1 - beta_2) D^2.
        """
        return self.beta_2 * before + (1 - self.beta_2) * square
