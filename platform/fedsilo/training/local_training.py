"""Training inside a client: gradient descent over local epochs, or the gradient of one batch.

All gradients of a client are taken here, and all that a client steps along passes through the mechanism here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import MEMORY, PLAIN, Descent, Terms
from fedsilo.core.privacy import Mechanism
from fedsilo.core.seeds import derive
from fedsilo.core.training_settings import KEPT
from fedsilo.core.types import State
from fedsilo.core.work import LocalWork
from fedsilo.training.gradients import Point, differentiate
from fedsilo.training.optimizer import Stepper


@dataclass(frozen=True, slots=True)
class LocalTraining:
    """What a strategy trains a client with (`core.strategy.Local`).

    Attributes:
        work: The client's work.
        learner: The learner.
        buffers: The buffers that training begins with, received ones among them.
    """

    work: LocalWork
    learner: Learner
    buffers: State

    def descend(self, start: State, terms: Terms = PLAIN, memory: str = MEMORY) -> Descent:
        """Returns where stochastic gradient descent from `start` ends.

        Args:
            start: All parameters by name; buffers among them begin there, the others as received.
            terms: What the strategy adds.
            memory: Prefix of this descent's optimizer tensors in the private state.

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
        for number, batch in _numbered(work, epochs):
            point = Point(work, self.learner, params, buffers, self._seed(number))
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
        point = Point(self.work, self.learner, params, dict(self.buffers), self._seed(0))
        return differentiate(point, batch, PLAIN, 0)

    def one_batch(self, start: State, kept: tuple[str, ...]) -> tuple[State, State, State, float]:
        """Returns the gradients of the exchange's batch, the stepped `kept` parameters, their memory, and the loss.

        What the client steps itself passes through the mechanism; the other gradients are what it sends, and pass
        through it when they leave.
        """
        work = self.work
        batch = work.batch(work.exchange)
        number = work.exchange
        point = Point(work, self.learner, start, dict(self.buffers), self._seed(number), kept)
        value, gradients = differentiate(point, batch, PLAIN, number)
        own = {name: start[name].clone() for name in kept}
        stepper = Stepper(work.training.optimizer, own, work.private, self.learner.rate_factors)
        stepper.step(gradients, work.training.learning_rate(self._time(0, 1)))
        sent = {name: gradient for name, gradient in gradients.items() if name not in own}
        return sent, own, stepper.memory(), value

    def _seed(self, number: int) -> int:
        """What dropout and other draws of a step come from."""
        work = self.work
        return derive(work.seed, "forward", round=work.round, client=work.client, step=number)

    def _time(self, step: int, steps: int) -> float:
        """Rounds that are over at a step, with the part of the current one."""
        return self.work.round + (self.work.exchange + step / steps) / self.work.exchanges


def _numbered(work: LocalWork, epochs: range) -> Iterator[tuple[int, Batch]]:
    """The batches of some epochs, each with its number."""
    for epoch in epochs:
        for place, batch in enumerate(work.batches(epoch)):
            yield epoch * work.batches_per_epoch + place, batch
