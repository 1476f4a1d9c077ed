"""FedAvg: clients train for some local epochs, the server takes the mean of what they send.

Source: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017,
arXiv:1602.05629, algorithm 1. With `synchronise: batch` it is FedSGD: clients send the gradient of every batch, and
the server steps along the mean with the scenario's optimizer.

Running statistics of a learner (BatchNorm's) are averaged with the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core.config_fields import key
from fedsilo.training.averaging import Averaging


@dataclass(frozen=True)
class FedAvgStrategy(Averaging):
    """The mean of the clients' parameters."""

    count_alike: bool = key(False, "Whether clients count alike in the mean; by training examples otherwise.")

    @property
    def uniform(self) -> bool:
        """Returns whether all clients have the same weight in the mean."""
        return self.count_alike or super().uniform
