"""Local training inside a client: batches, views, optimiser, steps. Methods bring the loss.

The settings are those of CoOp's trainer, which the papers inherit: SGD with momentum 0.9 and weight decay 5e-4,
shuffled batches, a last smaller batch left out if there is a full one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.contracts import FeatureSource, State
from fedsilo.errors import ClientError
from fedsilo.fields import key
from fedsilo.optimizer import Optimizer, Stepper
from fedsilo.prompts.frozen import FrozenModel
from fedsilo.seeds import torch_generator


@dataclass(frozen=True)
class Training:
    """How long and how clients train."""

    rounds: int = key(10, "Federated rounds.", within=">= 1")
    local_epochs: int = key(1, "Passes over a client's data in each round.", within=">= 1")
    batch_size: int = key(
        32, "Images per step; a last smaller batch is left out, as in CoOp, if a full one exists.", within=">= 1"
    )
    participation: float = key(
        1.0, "Share of the clients that train in a round; in round 0 all do.", within="in (0, 1]"
    )
    views: int = key(
        0, "0: the plain image; K: that many cached random views of each training image, one per epoch.", within=">= 0"
    )
    online: bool = key(False, "A new random view in every epoch, encoded when needed: slow, no cache.")
    optimizer: Optimizer = key(Optimizer, "How a client steps.")


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's images: pooled (b, D), tokens (b, M, D) or None, labels (b,)."""

    pooled: Tensor
    tokens: Tensor | None
    labels: Tensor


Loss = Callable[[dict[str, Tensor], Batch], Tensor]


@dataclass(frozen=True, slots=True)
class LocalWork:
    """All that a method may use to train one client for one exchange.

    Attributes:
        model: The frozen side.
        features: The client's training images as features.
        labels: (n,) their classes.
        shared: Shared state as received.
        private: The client's own state.
        training: The scenario's section.
        seed: The scenario's seed.
        client: The client's number.
        round: Round, from 0.
        exchange: Exchange within the round, from 0.
    """

    model: FrozenModel
    features: FeatureSource
    labels: Tensor
    shared: State
    private: State
    training: Training
    seed: int
    client: int
    round: int
    exchange: int

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yields the batches of one local epoch in an order that depends on (seed, round, client, epoch) only."""
        size, count = self.training.batch_size, len(self.labels)
        generator = torch_generator(self.seed, "batches", round=self.round, client=self.client, step=epoch)
        order = torch.randperm(count, generator=generator)
        view = self.view(epoch)
        for start in range(0, count - count % size if count >= size else count, size):
            chosen = order[start : start + size]
            pooled, tokens = self.features.batch(chosen.numpy(), view)
            device = self.model.device
            yield Batch(
                pooled.to(device), None if tokens is None else tokens.to(device), self.labels[chosen].to(device)
            )

    def view(self, epoch: int) -> int:
        """Returns which view of the images an epoch sees: 0 the plain one, else one of the random ones."""
        overall = self.round * self.training.local_epochs + epoch
        if self.training.online:
            return 1 + overall
        return 1 + overall % self.training.views if self.training.views else 0


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


def descend(work: LocalWork, start: State, loss: Loss) -> Descent:
    """Returns the parameters after the round's local epochs of stochastic gradient descent from `start`.

    Raises:
        ClientError: The loss is not finite.
    """
    parameters = {name: tensor.detach().clone().requires_grad_() for name, tensor in start.items()}
    stepper = Stepper(work.training.optimizer, parameters, work.private)
    total, steps = 0.0, 0
    for epoch in range(work.training.local_epochs):
        for batch in work.batches(epoch):
            value = loss(parameters, batch)
            gradients = torch.autograd.grad(value, list(parameters.values()))
            for parameter, gradient in zip(parameters.values(), gradients, strict=True):
                parameter.grad = gradient
            stepper.step()
            total += _finite(value.detach(), work, steps)
            steps += 1
    trained = {name: tensor.detach() for name, tensor in parameters.items()}
    return Descent(trained, stepper.memory(), total / steps if steps else float("nan"), steps)


def _finite(value: Tensor, work: LocalWork, step: int) -> float:
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        rate = work.training.optimizer.learning_rate
        raise ClientError(
            f"client {work.client}, round {work.round}, stage 'train': loss is {number} at step {step} "
            f"(learning_rate={rate}). Lower training.optimizer.learning_rate.",
            client=work.client,
            round=work.round,
            stage="train",
        )
    return number
