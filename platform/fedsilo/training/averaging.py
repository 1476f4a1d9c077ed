"""The strategy that others vary: local epochs and a mean of their results, or a gradient for every batch.

A strategy of this family says what it adds to the client's loss (`terms`), which parameters travel, and what the
server makes of the mean.

Source: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017,
FedAvg and FedSGD.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.core.config_fields import key
from fedsilo.core.learner import Factored, Learner, Mixing
from fedsilo.core.local_trainer import MEMORY, Descent, LocalResult, LocalTrainer, Terms
from fedsilo.core.strategy import Strategy
from fedsilo.core.types import State
from fedsilo.core.work import ServerWork
from fedsilo.training.gradients import server_descent

ROUND, BATCH = "round", "batch"


@dataclass(frozen=True)
class Averaging(Strategy):
    """Local training, then a mean.

    Attributes:
        shares: Whether it is for parameters that travel.
        sends_experts: Whether clients receive what others learned, as learners that mix it in need.
    """

    shares: ClassVar[bool] = True
    sends_experts: ClassVar[bool] = False

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
        """Returns whether clients count alike: gradients of equally large batches do."""
        return self.uploads_gradients

    def refusals(self, learner: Learner) -> list[str]:
        """Returns why the learner cannot be trained under this strategy."""
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
        """Returns the parameters that local training begins with: those received, and the client's own."""
        everything = self.together(local.work.shared, local.work.private, local.learner)
        return {name: everything[name] for name in local.learner.names()}

    def terms(self, local: LocalTrainer) -> Terms:
        """Returns what is added to local training: nothing by default."""
        return Terms()

    def train(self, local: LocalTrainer) -> LocalResult:
        """Returns what local epochs, or one batch, make of the parameters."""
        if self.uploads_gradients:
            return self._one_batch(local)
        end = local.descend(self.start(local), self.terms(local))
        return LocalResult(self.upload(local, end), self.private(local, end), end.loss, end.steps)

    def upload(self, local: LocalTrainer, end: Descent) -> State:
        """Returns what is sent after local epochs: the parameters and statistics that travel."""
        everything = {**end.params, **end.buffers}
        return {name: everything[name] for name in (*self.shared(local.learner), *self.statistics(local.learner))}

    def private(self, local: LocalTrainer, end: Descent) -> State:
        """Returns what the client keeps after local epochs."""
        before = {name: tensor for name, tensor in local.work.private.items() if not name.startswith(MEMORY)}
        own = {name: end.params[name] for name in self.kept(local.learner)}
        buffers = {name: tensor for name, tensor in end.buffers.items() if name in before}
        return {**before, **buffers, **own, **end.memory}

    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Returns the mean as it is, or a step along it where gradients are sent."""
        if self.uploads_gradients:
            return server_descent(work, tuple(work.mean), learner.rate_factors)
        return {**work.shared, **work.mean}

    def _one_batch(self, local: LocalTrainer) -> LocalResult:
        sent, own, memory, value = local.one_batch(self.start(local), self.kept(local.learner))
        return LocalResult(sent, {**local.work.private, **own, **memory}, value, 1)
