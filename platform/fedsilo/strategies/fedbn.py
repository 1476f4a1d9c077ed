"""FedBN: normalisation layers stay with their client, with their statistics; all else is averaged.

Source: Li et al., "FedBN: Federated Learning on Non-IID Features via Local Batch Normalization", ICLR 2021,
arXiv:2102.07623.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core.learner import Learner
from fedsilo.training.averaging import Averaging


@dataclass(frozen=True)
class FedBNStrategy(Averaging):
    """FedAvg of all but normalisation layers."""

    def shared(self, learner: Learner) -> tuple[str, ...]:
        """Returns all names but those of normalisation layers."""
        return tuple(name for name in super().shared(learner) if name not in learner.norms)

    def statistics(self, learner: Learner) -> tuple[str, ...]:
        """Returns nothing: statistics stay with their client."""
        return ()

    def refusals(self, learner: Learner) -> list[str]:
        """Returns why the learner cannot be split so."""
        found = super().refusals(learner)
        if not found and not learner.norms and not learner.statistics:
            found.append("name: fedbn keeps normalisation layers at the clients, and the learner has none. Use fedavg.")
        if not found and not self.shared(learner):
            found.append(
                "name: fedbn keeps normalisation layers at the clients, and the learner has no others. Use local."
            )
        return found
