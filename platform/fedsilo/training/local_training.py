"""Training in a client: gradient descent over local epochs, or the gradients of one batch.

All gradients of a client are taken here, and every gradient that a client steps along passes through the mechanism
here.
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
from fedsilo.core.round_work import LocalWork
from fedsilo.core.seeds import derive
from fedsilo.core.training_settings import KEPT
from fedsilo.core.types import State
from fedsilo.training.gradients import TrainingPoint, differentiate
from fedsilo.training.optimizer import Stepper


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
