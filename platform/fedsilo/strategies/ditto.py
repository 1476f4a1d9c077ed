"""Ditto: FedAvg, and personal parameters of each client that stay near the shared ones.

Source: Li, Hu, Beirami, Smith, "Ditto: Fair and Robust Federated Learning Through Personalization", ICML 2021,
arXiv:2012.04221, algorithm 1: the shared parameters are FedAvg's; client i also trains v_i on f_i(v) + lambda/2 ||v -
w||^2, w as received, and is evaluated with v_i. v_i begins as w. A learner's own personal parameters and the running
statistics are part of v_i, without the term.

Personal parameters never leave the client and change nothing that does, so no privacy mechanism adds noise to them.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import LocalResult, LocalTrainer, Terms
from fedsilo.core.types import State
from fedsilo.training.averaging import Averaging

PERSONAL, PERSONAL_MEMORY = "personal_", "personal_training/"
"""Prefixes of v_i, and of its optimizer's tensors, in private state."""


@dataclass(frozen=True)
class DittoStrategy(Averaging):
    """FedAvg with personal parameters near the shared ones."""

    needs_rounds = "a round has no end at which personal parameters could be trained"

    attraction: float = key(1.0, "Pull of the personal parameters to the shared ones, lambda.", within=">= 0")
    personal_epochs: int = key(1, "Passes over the client's data for its personal parameters.", within=">= 1")

    def train(self, local: LocalTrainer) -> LocalResult:
        """Trains the shared parameters by FedAvg, then the personal ones.

        Args:
            local: The client's training: its work, learner and buffers.

        Returns:
            FedAvg's result, with the personal parameters in the private state.
        """
        result = super().train(local)
        received_or_own = {**self.start(local), **{n: local.buffers[n] for n in self.statistics(local.learner)}}
        start = {n: local.work.private.get(PERSONAL + n, tensor) for n, tensor in received_or_own.items()}
        received, names = local.work.shared, self.shared(local.learner)

        def penalty(params: State) -> Tensor:
            distances = [(params[name] - received[name]).square().sum() for name in names]
            return self.attraction / 2 * sum(distances[1:], distances[0])

        terms = Terms(penalty=penalty, epochs=range(self.personal_epochs), private=False)
        end = local.descend(start, terms, memory=PERSONAL_MEMORY)
        everything = {**end.buffers, **end.params}
        personal = {PERSONAL + n: everything[n] for n in start}
        return LocalResult(result.upload, {**result.private, **personal, **end.memory}, result.loss, result.steps)

    def serve(self, received: State, private: State, learner: Learner) -> State:
        """Selects the parameters that a client is evaluated with.

        Args:
            received: What the client received, by name.
            private: The client's private state by name.
            learner: The learner.

        Returns:
            The personal parameters and statistics by name; the shared ones before the first training.
        """
        everything = super().serve(received, private, learner)
        return {name: private.get(PERSONAL + name, tensor) for name, tensor in everything.items()}
