"""FedBN: normalisation layers and their statistics stay with their client; the rest is averaged.

Source: Li et al., "FedBN: Federated Learning on Non-IID Features via Local Batch Normalization", ICLR 2021,
arXiv:2102.07623.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core.learner import Learner
from fedsilo.training.averaging import Averaging


@dataclass(frozen=True)
class FedBNStrategy(Averaging):
    """FedAvg of all parameters but those of normalisation layers."""

    def shared(self, learner: Learner) -> tuple[str, ...]:
        """Names the parameters that travel.

        Args:
            learner: The learner.

        Returns:
            All names but the personal ones and those of normalisation layers.
        """
        return tuple(name for name in super().shared(learner) if name not in learner.norms)

    def statistics(self, learner: Learner) -> tuple[str, ...]:
        """Names the statistics that travel: none, they stay with their client.

        Args:
            learner: The learner.

        Returns:
            ().
        """
        return ()

    def refusals(self, learner: Learner) -> list[str]:
        """Lists reasons against the learner: no normalisation layers, or nothing else.

        Args:
            learner: The learner.

        Returns:
            Lines "key: why. What to do."; none where the learner fits.
        """
        found = super().refusals(learner)
        if not found and not learner.norms and not learner.statistics:
            found.append("name: fedbn keeps normalisation layers at the clients, and the learner has none. Use fedavg.")
        if not found and not self.shared(learner):
            found.append(
                "name: fedbn keeps normalisation layers at the clients, and the learner has no others. Use local."
            )
        return found
