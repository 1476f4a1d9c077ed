"""FedProx: local training is held near the parameters that the client received.

Source: Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020, arXiv:1812.06127: the local loss is
f(w) + mu/2 ||w - w_t||^2, w the shared parameters in training and w_t as received. Averaging weights clients by
training examples, and every client trains for the same number of epochs.

Where the released code of FedOTP's comparison and this differ: there w is taken from a detached copy, so that the term
has no gradient and the strategy is FedAvg; here its gradient is mu (w - w_t).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.core.local_trainer import LocalTrainer, Terms
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging


@dataclass(frozen=True)
class FedProxStrategy(Averaging):
    """FedAvg with a proximal term in local training."""

    needs_rounds = "every gradient is taken at the shared parameters themselves, where the proximal term has none"

    mu: float = key(0.5, "Pull towards the parameters as received: mu/2 times the squared distance.", within=">= 0")

    def terms(self, local: LocalTrainer) -> Terms:
        """Builds the proximal term mu/2 ||w - w_t||^2.

        Args:
            local: The client's training: its work, learner and buffers.

        Returns:
            The term as a penalty; no penalty where nothing travels.
        """
        received, names = local.work.shared, self.shared(local.learner)

        def penalty(params: State) -> Tensor:
            distances = [(params[name] - received[name]).square().sum() for name in names]
            return self.mu / 2 * sum(distances[1:], distances[0])

        return Terms(penalty=penalty if names else None)
