"""The base of FedAvg and its variants: local epochs and a mean of their results, or a gradient for every batch.

A strategy of this family says what it adds to the client's loss (`terms`), which parameters travel, and what the server
computes from the mean.

Source: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017,
FedAvg and FedSGD.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.core.capabilities import Factored, Mixing
from fedsilo.core.config_fields import key
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import MEMORY, Descent, LocalResult, LocalTrainer, Terms
from fedsilo.core.round_work import ServerWork
from fedsilo.core.strategy import Strategy
from fedsilo.core.types import State
from fedsilo.training.optimizer import step_along_mean

ROUND, BATCH = "round", "batch"


@dataclass(frozen=True)
class Averaging(Strategy):
    """Local training, then a mean.

    Attributes:
        shares: Whether it is for parameters that travel.
        sends_experts: Whether clients receive what others learned, as learners that mix it in need.
        needs_rounds: Why it needs the result of a round's training, as the end of a sentence about `batch`; empty where
            every batch's gradient can be sent as well.
    """

    shares: ClassVar[bool] = True
    sends_experts: ClassVar[bool] = False
    needs_rounds: ClassVar[str] = ""

    synchronise: str = key(
        ROUND,
        "What is sent: the result of a round's local epochs (FedAvg), or every batch's gradient (FedSGD).",
        ROUND,
        BATCH,
    )

    @property
    def uploads_gradients(self) -> bool:
        """Returns whether every batch's gradient is sent."""
        return self.synchronise == BATCH

    @property
    def uniform(self) -> bool:
        """Returns whether all clients have the same weight: gradients of equally large batches do."""
        return self.uploads_gradients

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields: gradients of batches where a round's result is needed."""
        if not (self.needs_rounds and self.uploads_gradients):
            return super().problems()
        other = "" if self.sends_experts else ", or the strategy fedavg"
        return [*super().problems(), f"synchronise: with 'batch' {self.needs_rounds}. Use 'round'{other}."]

    def refusals(self, learner: Learner) -> list[str]:
        """Lists reasons against the learner under this strategy.

        Args:
            learner: The learner.

        Returns:
            Lines "key: why. What to do."; none where the learner fits.
        """
        if self.shares and not set(learner.names()) - set(learner.personal):
            return ["name: the learner has no parameters that can be shared. Use the strategy local."]
        if isinstance(learner, Mixing) and not self.sends_experts:
            return ["name: the learner mixes what other clients learned. Use the strategy experts, which sends it."]
        if isinstance(learner, Factored) and self.synchronise == ROUND:
            return ["synchronise: factors last one batch, so every batch's gradient must be sent. Use 'batch'."]
        if self.synchronise == BATCH and learner.statistics:
            return [
                "synchronise: with 'batch' only gradients travel, and a learner with running statistics (BatchNorm) "
                "has others to average. Use 'round', or GroupNorm."
            ]
        return []

    def start(self, local: LocalTrainer) -> State:
        """Selects the parameters that local training begins with: those received, and the client's own.

        Args:
            local: The client's training: its work, learner and buffers.

        Returns:
            All parameters by name.
        """
        everything = self.together(local.work.shared, local.work.private, local.learner)
        return {name: everything[name] for name in local.learner.names()}

    def terms(self, local: LocalTrainer) -> Terms:
        """Builds what the strategy adds to local training: nothing by default.

        Args:
            local: The client's training: its work, learner and buffers.

        Returns:
            The added terms.
        """
        return Terms()

    def train(self, local: LocalTrainer) -> LocalResult:
        """Trains for the local epochs, or takes the gradients of one batch.

        Args:
            local: The client's training: its work, learner and buffers.

        Returns:
            The upload, the new private state, the mean loss and the number of steps.
        """
        if self.uploads_gradients:
            return self._one_batch(local)
        end = local.descend(self.start(local), self.terms(local))
        return LocalResult(self.upload(local, end), self.private(local, end), end.loss, end.steps)

    def upload(self, local: LocalTrainer, end: Descent) -> State:
        """Selects what is sent after local epochs.

        Args:
            local: The client's training: its work, learner and buffers.
            end: The end of local training.

        Returns:
            The parameters and statistics that travel, by name.
        """
        everything = {**end.params, **end.buffers}
        return {name: everything[name] for name in (*self.shared(local.learner), *self.statistics(local.learner))}

    def private(self, local: LocalTrainer, end: Descent) -> State:
        """Selects what the client keeps after local epochs.

        Args:
            local: The client's training: its work, learner and buffers.
            end: The end of local training.

        Returns:
            The new private state by name.
        """
        before = {name: tensor for name, tensor in local.work.private.items() if not name.startswith(MEMORY)}
        own = {name: end.params[name] for name in self.kept(local.learner)}
        buffers = {name: tensor for name, tensor in end.buffers.items() if name in before}
        return {**before, **buffers, **own, **end.memory}

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Takes the mean of results, or a step along the mean of gradients.

        Args:
            work: The server's work: shared state, and mean of the uploads.
            learner: The learner.

        Returns:
            The next shared state.
        """
        if self.uploads_gradients:
            return step_along_mean(work, tuple(work.mean), learner.rate_factors)
        return {**work.shared, **work.mean}

    def _one_batch(self, local: LocalTrainer) -> LocalResult:
        sent, own, memory, value = local.one_batch(self.start(local), self.kept(local.learner))
        return LocalResult(sent, {**local.work.private, **own, **memory}, value, 1)
