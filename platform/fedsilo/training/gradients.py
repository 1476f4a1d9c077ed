"""Gradients of a batch: of its mean, or example by example where the mechanism protects single examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.core.errors import NotFinite
from fedsilo.core.finiteness import find_fault
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import Penalty, Terms
from fedsilo.core.privacy import ExampleClipping, Release
from fedsilo.core.round_work import LocalWork, ServerWork
from fedsilo.core.types import State
from fedsilo.training.loss import Loss
from fedsilo.training.module_random import draw_from
from fedsilo.training.optimizer import Stepper
from fedsilo.training.per_example.clipping import sum_clipped
from fedsilo.training.per_example.example_gradients import compute_example_gradients


@dataclass(frozen=True, slots=True)
class TrainingPoint:
    """The point at which gradients are taken.

    Attributes:
        work: The client's work, with its mechanism.
        learner: The learner.
        params: All parameters by name.
        buffers: All buffers; the learner may write to them.
        seed: Seed of dropout and other draws of the forward pass.
        own: Parameters whose gradients the client steps along itself; None: all of them.
    """

    work: LocalWork
    learner: Learner
    params: State
    buffers: State
    seed: int
    own: tuple[str, ...] | None = None


def differentiate(point: TrainingPoint, batch: Batch, terms: Terms, step: int) -> tuple[float, dict[str, Tensor]]:
    """Takes the gradients of a batch, for the client's own step or for the upload.

    Where the mechanism protects single examples, each example's gradient is clipped, by all tensors together, and the
    sum is divided by the mechanism's public number; the loss of an empty batch is nan.

    Args:
        point: The point at which gradients are taken.
        batch: The examples.
        terms: What the strategy adds. The gradient of a penalty reads no data, so it is added after the noise.
        step: Number of the step within the exchange, for messages and noise.

    Returns:
        The mean loss, and the gradient of each parameter by name.

    Raises:
        NotFinite: A loss or a gradient is not finite.
    """
    work = point.work
    loss = Loss.at(point.learner, work, point.params, point.buffers, terms.contrast)
    clipping = work.mechanism.examples
    with draw_from(point.seed, work.model.device):
        if clipping is None:
            value, gradients = _whole_batch(loss, batch, terms)
            fault = find_fault(gradients)
            if fault and math.isfinite(value):
                raise NotFinite(f"at step {step} the gradient by {fault}")
        else:
            value, gradients = clip_gradients(loss, batch, clipping, step)
    if len(batch) and not math.isfinite(value):
        raise NotFinite(f"the loss is {value} at step {step}")
    gradients = loss.combine_gradients(_protect(point, loss.leaves, gradients, step))
    if clipping is not None and terms.penalty:
        gradients = _plus_penalty(point.params, gradients, terms.penalty)
    return value, dict(terms.correction(gradients)) if terms.correction else gradients


def _whole_batch(loss: Loss, batch: Batch, terms: Terms) -> tuple[float, dict[str, Tensor]]:
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in loss.leaves.items()}
    value = loss(leaves, batch)
    if terms.penalty:
        value = value + terms.penalty(leaves)
    found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return float(value.detach()), dict(zip(leaves, found, strict=True))


def clip_gradients(
    loss: Loss, batch: Batch, clipping: ExampleClipping, step: int = 0
) -> tuple[float, dict[str, Tensor]]:
    """Sums the clipped gradients of a batch and divides by the mechanism's public number.

    Args:
        loss: The loss at one point.
        batch: The examples; there may be none, then the loss is nan.
        clipping: Clip norm, public number of examples and tolerance.
        step: Number of the step, for messages.

    Returns:
        The mean loss, and the gradient of each leaf by name.

    Raises:
        NotFinite: A gradient is not finite.
    """
    each = compute_example_gradients(loss, batch, clipping.tolerance)
    value = float(each.losses.mean()) if len(each.losses) else math.nan
    try:
        sums, _ = sum_clipped(each.gradients, clipping.norm)
    except NotFinite as error:
        raise NotFinite(f"at step {step} {error}") from None
    return value, {name: (total / clipping.batch).to(loss.leaves[name].dtype) for name, total in sums.items()}


def _protect(point: TrainingPoint, leaves: State, gradients: State, step: int) -> State:
    """Adds the mechanism's noise to the gradients that the client steps along itself."""
    work = point.work
    if point.own is None:
        own = set(leaves) if work.mechanism.examples is not None else set()
    else:  # factors replace parameters of the client's own
        own = set(leaves) - (set(point.params) - set(point.own))
    if point.own is None and not own:
        return gradients
    release = Release({}, 1, work.secret("private noise", step))
    return {**gradients, **work.mechanism.protect_private({n: gradients[n] for n in gradients if n in own}, release)}


def _plus_penalty(params: State, gradients: State, penalty: Penalty) -> dict[str, Tensor]:
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    found = torch.autograd.grad(penalty(leaves), list(leaves.values()), allow_unused=True, materialize_grads=True)
    return {name: gradients[name] + gradient for name, gradient in zip(leaves, found, strict=True)}


def step_along_mean(work: ServerWork, names: Sequence[str], factors: Mapping[str, float]) -> State:
    """Makes one step of the scenario's optimizer along the mean gradient.

    The optimizer's memory stays in the shared state from exchange to exchange and from round to round: where gradients
    are exchanged, a round is only the interval between evaluations.

    Args:
        work: The server's work, with the mean gradient.
        names: Names of the parameters.
        factors: Factors on the learning rate of single parameters; 1 for those not named.

    Returns:
        The shared state after the step.
    """
    params = {name: work.shared[name].detach().clone() for name in names}
    stepper = Stepper(work.training.optimizer, params, work.shared, factors)
    time = work.round + work.exchange / work.exchanges
    stepper.step(work.mean, work.training.learning_rate(time))
    return {**work.shared, **params, **stepper.memory()}
