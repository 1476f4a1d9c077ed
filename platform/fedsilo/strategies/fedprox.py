"""FedProx: local training is held near the parameters that the client received.

Source: Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020, arXiv:1812.06127: the local loss is
f(w) + mu/2 ||w - w_t||^2, w the shared parameters in training and w_t as received. Averaging weights clients by
training examples, every client trains for the same epochs.

Where the released code of FedOTP's comparison and this differ: there w is taken from a detached copy, so that the term
has no gradient and the strategy is FedAvg; here its gradient is mu (w - w_t).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.core.local_trainer import LocalTrainer, Terms
from fedsilo.core.types import State
from fedsilo.training.averaging import BATCH, Averaging


@dataclass(frozen=True)
class FedProxStrategy(Averaging):
    """FedAvg with a proximal term in local training."""

    mu: float = key(0.5, "Pull towards the parameters as received: mu/2 times the squared distance.", within=">= 0")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        pointless = (
            "synchronise: with 'batch' every gradient is taken at the shared parameters themselves, where the proximal "
            "term has none. Use 'round', or the strategy fedavg."
        )
        return super().problems() + ([pointless] if self.synchronise == BATCH else [])

    def terms(self, local: LocalTrainer) -> Terms:
        """Returns the proximal term."""
        received, names = local.work.shared, self.shared(local.learner)

        def penalty(params: State) -> Tensor:
            distances = [(params[name] - received[name]).square().sum() for name in names]
            return self.mu / 2 * sum(distances[1:], distances[0])

        return Terms(penalty=penalty if names else None)
