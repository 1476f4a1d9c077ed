"""FedAvg with local fine-tuning: before each evaluation a client trains the shared parameters further, for itself.

Source: the comparison "PromptFL+FT" of FedOTP, arXiv:2403.00041; fine-tuning after FedAvg is studied by Cheng, Chadha,
Duchi, "Fine-tuning in Federated Learning: a simple but tough-to-beat baseline", arXiv:2108.07313. The papers do not say
for how many epochs.

Tuned parameters never leave the client and never enter training: the shared parameters are FedAvg's, bit for bit. The
private state holds the tuned ones of the last evaluation; a learner's own personal parameters are tuned with them. A
privacy mechanism protects what is sent, not the tuned copy.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedsilo.core.config_fields import key
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import APART, LocalTrainer, Terms
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging

TUNED = "tuned_"
"""Prefix of tuned parameters and statistics in private state."""


@dataclass(frozen=True)
class FineTuneStrategy(Averaging):
    """FedAvg; each client tunes the parameters before it is evaluated."""

    finetune_epochs: int = key(5, "Passes over the client's own data before each evaluation.", within=">= 0")

    def adapt(self, local: LocalTrainer) -> State:
        """Tunes the parameters, with a new optimizer each time.

        Args:
            local: The client's training: its work, learner and buffers.

        Returns:
            The private state with the tuned parameters and statistics.
        """
        epochs = range(APART, APART + self.finetune_epochs)
        # Its own prefix keeps the optimizer's memory of training unchanged.
        end = local.descend(self.start(local), Terms(epochs=epochs, private=False), memory="fine_tuning/")
        statistics = {name: end.buffers[name] for name in self.statistics(local.learner)}
        tuned = {**end.params, **statistics}
        return {**local.work.private, **{TUNED + name: tensor for name, tensor in tuned.items()}}

    def serve(self, received: State, private: State, learner: Learner) -> State:
        """Selects the parameters that a client is evaluated with.

        Args:
            received: What the client received, by name.
            private: The client's private state by name.
            learner: The learner.

        Returns:
            The tuned parameters and statistics by name; the shared ones before the first tuning.
        """
        everything = super().serve(received, private, learner)
        return {name: private.get(TUNED + name, tensor) for name, tensor in everything.items()}
