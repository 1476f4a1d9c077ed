"""Training in a client: gradient descent over local epochs, or the gradients of one batch.

All gradients of a client are taken here, and every gradient that a client steps along passes through the mechanism
here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.core.errors import NotFinite
from fedsilo.core.finiteness import find_fault
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import MEMORY, PLAIN, Descent, Penalty, Terms
from fedsilo.core.privacy import ExampleClipping, Mechanism, Release
from fedsilo.core.round_work import LocalWork
from fedsilo.core.seeds import derive, draw_from
from fedsilo.core.training_settings import KEPT
from fedsilo.core.types import State
from fedsilo.training.loss import Loss
from fedsilo.training.optimizer import Stepper
from fedsilo.training.per_example.clipping import sum_clipped
from fedsilo.training.per_example.example_gradients import compute_example_gradients


@dataclass(frozen=True, slots=True)
class LocalTraining:
    """The client's training that a strategy uses (`core.strategy.Local`).

    Attributes:
        work: The client's work.
        learner: The learner.
        buffers: The buffers that training begins with, received ones among them.
    """

    work: LocalWork
    learner: Learner
    buffers: State

    def descend(self, start: State, terms: Terms = PLAIN, memory: str = MEMORY) -> Descent:
        """Runs stochastic gradient descent from `start`.

        Args:
            start: All parameters by name; buffers among them begin there, the others as received.
            terms: What the strategy adds.
            memory: Prefix of this descent's optimizer tensors in the private state.

        Returns:
            The parameters, buffers, mean loss and steps at the end.

        Raises:
            NotFinite: A loss or a gradient is not finite.
        """
        work = self.work if terms.private else replace(self.work, mechanism=Mechanism())
        section = work.training.optimizer
        params = {name: start[name].detach().clone() for name in self.learner.names()}
        buffers = {name: start.get(name, tensor).clone() for name, tensor in self.buffers.items()}
        stepper = Stepper(section, params, work.private, self.learner.rate_factors, memory)
        epochs = range(work.training.local_epochs) if terms.epochs is None else terms.epochs
        total, steps, counted, travel, gain = 0.0, 0, 0, 0.0, 0.0
        for number, batch in _number(work, epochs):
            point = TrainingPoint(work, self.learner, params, buffers, self._seed(number))
            value, gradients = differentiate(point, batch, terms, steps)
            rate = work.training.learning_rate(self._time(steps, len(epochs) * work.batches_per_epoch))
            stepper.step(gradients, rate)
            total += 0.0 if math.isnan(value) else value
            counted += not math.isnan(value)
            gain = 1 + section.momentum * gain
            steps, travel = steps + 1, travel + rate * gain
        kept = stepper.memory() if section.state == KEPT else {}
        return Descent(params, buffers, kept, total / counted if counted else math.nan, steps, travel)

    def gradients(self, params: State, batch: Batch) -> tuple[float, dict[str, Tensor]]:
        """Returns the loss of a batch and its gradients at some parameters, as a step of training takes them."""
        buffers = {name: tensor.clone() for name, tensor in self.buffers.items()}
        point = TrainingPoint(self.work, self.learner, params, buffers, self._seed(0))
        return differentiate(point, batch, PLAIN, 0)

    def one_batch(self, start: State, kept: tuple[str, ...]) -> tuple[State, State, State, float]:
        """Takes the gradients of the exchange's batch, and steps the parameters that stay with the client.

        What the client steps itself passes the mechanism here; the other gradients pass it when they leave the client.

        Args:
            start: All parameters by name.
            kept: Names of the parameters that the client steps itself.

        Returns:
            Gradients by name; what the client keeps: the stepped `kept` parameters, and its own buffers, which the
            learner may write; the optimizer's tensors; the loss.
        """
        work = self.work
        batch = work.batch(work.exchange)
        number = work.exchange
        buffers = {name: tensor.clone() for name, tensor in self.buffers.items()}
        point = TrainingPoint(work, self.learner, start, buffers, self._seed(number), kept)
        value, gradients = differentiate(point, batch, PLAIN, number)
        own = {name: start[name].clone() for name in kept}
        stepper = Stepper(work.training.optimizer, own, work.private, self.learner.rate_factors)
        stepper.step(gradients, work.training.learning_rate(self._time(0, 1)))
        sent = {name: gradient for name, gradient in gradients.items() if name not in own}
        written = {name: tensor for name, tensor in buffers.items() if name in work.private}
        return sent, {**written, **own}, stepper.memory(), value

    def _seed(self, number: int) -> int:
        """Derives the seed of dropout and other draws of a step."""
        work = self.work
        return derive(work.seed, "forward", round=work.round, client=work.client, step=number)

    def _time(self, step: int, steps: int) -> float:
        """Computes the number of finished rounds at a step, with the part of the current one."""
        return self.work.round + (self.work.exchange + step / steps) / self.work.exchanges


def _number(work: LocalWork, epochs: range) -> Iterator[tuple[int, Batch]]:
    """Yields the batches of some epochs, each with its number."""
    for epoch in epochs:
        for place, batch in enumerate(work.batches(epoch)):
            yield epoch * work.batches_per_epoch + place, batch


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
    if not math.isfinite(value) and len(batch):
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
