"""FedAdagrad: the server steps along the clients' mean change by Adagrad.

Source: Reddi et al., "Adaptive Federated Optimization", ICLR 2021, arXiv:2003.00295, algorithm 2: v = v + D^2, D the
mean change; `beta_1` is 0 as in the paper's experiments. The rest is in `training.server_optimizers`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.training.server_optimizers import Adaptive


@dataclass(frozen=True)
class FedAdagradStrategy(Adaptive):
    """FedAvg with Adagrad on the server."""

    beta_1: float = key(0.0, "Decay of the mean of changes.", within="in [0, 1)")

    def update_second_moment(self, before: Tensor, square: Tensor) -> Tensor:
        """Adds the squared change.

        Args:
            before: v of the round before.
            square: D^2, the squared mean change, of the same shape.

        Returns:
            v = v + D^2.
        """
        return before + square
