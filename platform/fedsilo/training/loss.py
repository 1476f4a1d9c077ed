"""The loss of a learner at one point, as a function of the tensors that gradients are taken by."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.core.capabilities import Factored
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import Contrast
from fedsilo.core.round_work import LocalWork
from fedsilo.core.seeds import torch_generator
from fedsilo.core.types import State


@dataclass(frozen=True, slots=True)
class Loss:
    """The mean loss of a batch as a function of its leaves: the parameters, or the factors that replace some of them.

    Attributes:
        learner: The learner.
        work: The client's work: model, task, and source of draws.
        params: All parameters by name.
        buffers: All buffers; the learner may write to them.
        leaves: The tensors that gradients are taken by.
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
        """Builds the loss at some parameters; factors are drawn from (seed, round, client, exchange).

        Args:
            learner: The learner.
            work: The client's work in one exchange.
            params: All parameters by name.
            buffers: All buffers by name.
            contrast: A term that a strategy adds to the loss of a batch.

        Returns:
            The loss, with its leaves.
        """
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
        """Builds the learner's parameters from the leaves.

        Args:
            leaves: The tensors that gradients are taken by.

        Returns:
            What the learner reads, by name, differentiable in the leaves.
        """
        if isinstance(self.learner, Factored):
            return self.learner.at(leaves, self.leaves, self.params)
        return leaves

    def combine_gradients(self, gradients: State) -> dict[str, Tensor]:
        """Computes the gradients of the parameters from those of the leaves.

        Args:
            gradients: Gradients by leaf.

        Returns:
            Gradients by parameter.
        """
        if isinstance(self.learner, Factored):
            gradients = {**gradients, **self.learner.combine_gradients(self.leaves, gradients)}
        return {name: gradients[name] for name in self.params}
