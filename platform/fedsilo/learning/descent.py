"""Gradient descent: local epochs inside a client, one batch of it, one step of the server. Methods bring the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.contracts import ExampleClipping, Release, State
from fedsilo.errors import NotFinite
from fedsilo.finiteness import find_fault
from fedsilo.learning.optimizer import MEMORY, Stepper
from fedsilo.learning.perexample.clipping import clipped_sum
from fedsilo.learning.perexample.gradients import example_gradients
from fedsilo.learning.perexample.losses import ContextLoss, Loss
from fedsilo.learning.training import Batch, LocalWork, ServerWork

__all__ = ["ContextLoss", "Descent", "Loss", "descend", "differentiate", "protected", "server_descent"]


@dataclass(frozen=True, slots=True)
class Descent:
    """Where descent ended.

    Attributes:
        parameters: The trained tensors.
        memory: The optimiser's own tensors, for private state; empty unless it is persistent.
        loss: Mean loss over the steps, nan without steps.
        steps: Steps made.
    """

    parameters: dict[str, Tensor]
    memory: dict[str, Tensor]
    loss: float
    steps: int


def descend(
    work: LocalWork,
    start: State,
    loss: Loss,
    epochs: range | None = None,
    factors: Mapping[str, float] | None = None,
) -> Descent:
    """Returns the parameters after stochastic gradient descent from `start`.

    Args:
        work: What the client trains on.
        start: The parameters by name.
        loss: Loss of a batch, differentiable in the parameters.
        epochs: Which epochs, by number; those of the round by default.
        factors: By what the learning rate of single tensors is multiplied.

    Raises:
        NotFinite: A loss or a gradient is not finite.
    """
    parameters = {name: tensor.detach().clone() for name, tensor in start.items()}
    stepper = Stepper(work.training.optimizer, parameters, work.private, factors)
    total, steps, counted = 0.0, 0, 0
    for epoch in range(work.training.local_epochs) if epochs is None else epochs:
        for batch in work.batches(epoch):
            value, gradients = differentiate(work, parameters, batch, loss, steps)
            stepper.step(gradients if work.mechanism.examples is None else protected(work, gradients, steps))
            total += 0.0 if math.isnan(value) else value
            counted += not math.isnan(value)
            steps += 1
    memory = stepper.memory() if work.training.optimizer.persistent else {}
    return Descent(parameters, memory, total / counted if counted else math.nan, steps)


def differentiate(
    work: LocalWork, at: State, batch: Batch, loss: Loss, step: int = 0
) -> tuple[float, dict[str, Tensor]]:
    """Returns the loss of a batch and its gradient by the tensors of `at`, zero where it does not depend on one.

    All gradients are taken here. Where the mechanism protects single examples each one's gradient is clipped, by all
    tensors together, and the sum is divided by the mechanism's public number; the loss of an empty batch is nan.

    Raises:
        NotFinite: A loss or a gradient is not finite.
    """
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in at.items()}
    clipping = work.mechanism.examples
    if clipping is not None:
        return _example_by_example(leaves, batch, loss, clipping, step)
    value = loss(leaves, batch)
    found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    number, gradients = _finite(value.detach(), step), dict(zip(leaves, found, strict=True))
    fault = find_fault(gradients)
    if fault:
        raise NotFinite(f"at step {step} the gradient by {fault}")
    return number, gradients


def _example_by_example(
    leaves: State, batch: Batch, loss: Loss, clipping: ExampleClipping, step: int
) -> tuple[float, dict[str, Tensor]]:
    each = example_gradients(loss, leaves, batch, clipping.tolerance)
    value = _finite(each.losses.mean(), step) if len(each.losses) else math.nan
    try:
        sums, _ = clipped_sum(each.gradients, clipping.norm)
    except NotFinite as error:
        raise NotFinite(f"at step {step} {error}") from None
    return value, {name: (total / clipping.batch).to(leaves[name].dtype) for name, total in sums.items()}


def protected(work: LocalWork, gradients: State, step: int) -> dict[str, Tensor]:
    """Returns gradients that a client steps along itself as the mechanism lets it use them."""
    return dict(work.mechanism.protect_private(gradients, Release({}, 1, work.secret("private noise", step))))


def server_descent(work: ServerWork) -> State:
    """Returns the shared state after one step of the scenario's optimiser along the mean gradient.

    The optimiser's memory stays in the shared state from exchange to exchange and from round to round: a round is no
    more than a place to evaluate where gradients are exchanged.
    """
    parameters = {name: work.shared[name].detach().clone() for name in work.mean}
    stepper = Stepper(work.training.optimizer, parameters, work.shared)
    stepper.step(work.mean)
    return {**work.shared, **parameters, **stepper.memory()}


def without_memory(state: State) -> dict[str, Tensor]:
    """Returns a state without an optimiser's tensors."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(MEMORY)}


def _finite(value: Tensor, step: int) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise NotFinite(f"the loss is {number} at step {step}")
    return number
