"""The loss of a learner at one point, as a function of what gradients are taken by."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.core.learner import Factored, Learner
from fedsilo.core.local_trainer import Contrast
from fedsilo.core.seeds import torch_generator
from fedsilo.core.types import State
from fedsilo.core.work import LocalWork


@dataclass(frozen=True, slots=True)
class Loss:
    """The mean loss of a batch as a function of its leaves: the parameters, or the factors that stand for some.

    Attributes:
        learner: The learner.
        work: The client's work: model, task, and where draws come from.
        params: All parameters by name.
        buffers: All buffers; the learner may write to them.
        leaves: What gradients are taken by.
        contrast: A term that a strategy adds to the loss of a batch.
    """

    learner: Learner
    work: LocalWork
    params: State
    buffers: State
    leaves: State
    contrast: Contrast | None = None

    @classmethod
    def at(
        cls, learner: Learner, work: LocalWork, params: State, buffers: State, contrast: Contrast | None = None
    ) -> Loss:
        """Returns the loss at these parameters; factors are drawn from (seed, round, client, exchange)."""
        leaves = params
        if isinstance(learner, Factored):
            where = {"round": work.round, "client": work.client, "step": work.exchange}
            leaves = learner.leaves(params, torch_generator(work.seed, "factors", **where))
        return cls(learner, work, params, buffers, leaves, contrast)

    def __call__(self, leaves: State, batch: Batch) -> Tensor:
        """Returns the mean loss of a batch, shape ()."""
        value = self.learner.loss(self.read(leaves), self.buffers, batch, self.work.model, self.work.task)
        return value if self.contrast is None else value + self.contrast(leaves, batch)

    def read(self, leaves: State) -> State:
        """Returns what the learner reads, differentiable in the leaves."""
        if isinstance(self.learner, Factored):
            return self.learner.at(leaves, self.leaves, self.params)
        return leaves

    def combine_gradients(self, gradients: State) -> dict[str, Tensor]:
        """Returns gradients by the parameters from those by the leaves."""
        if isinstance(self.learner, Factored):
            gradients = {**gradients, **self.learner.combine_gradients(self.leaves, gradients)}
        return {name: gradients[name] for name in self.params}
