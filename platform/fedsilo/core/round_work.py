"""The input of training: a client's work in one exchange, with its batches, and the server's work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.core.data import FeatureSource
from fedsilo.core.frozen import Frozen
from fedsilo.core.privacy import Mechanism
from fedsilo.core.seeds import KeyedGenerator, bind_purpose, keyed_generator, system_generator, torch_generator
from fedsilo.core.task import Task
from fedsilo.core.training_settings import Training
from fedsilo.core.types import State


@dataclass(frozen=True, slots=True)
class LocalWork:
    """All that a method may use to train one client for one exchange.

    Attributes:
        model: The frozen model.
        task: The task.
        features: The client's training images as columns.
        labels: (n,) their labels, int64.
        shared: Shared state as received.
        private: The client's own state.
        training: The scenario's section.
        mechanism: The mechanism that protects gradients of the client's own parameters.
        seed: The scenario's seed.
        client: The client's number.
        round: Round, from 0.
        exchange: Exchange within the round, from 0.
        attempt: The number of this attempt at the round: noise and samples of different attempts are independent.
        exchanges: Exchanges of the round.
    """

    model: Frozen
    task: Task
    features: FeatureSource
    labels: Tensor
    shared: State
    private: State
    training: Training
    mechanism: Mechanism
    seed: int
    client: int
    round: int
    exchange: int
    attempt: int = 0
    exchanges: int = 1

    @property
    def batches_per_epoch(self) -> int:
        """Returns the number of batches of an epoch: a last smaller one counts only where there is no full one."""
        return self.training.batches(len(self.labels))

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yields the batches of one local epoch; they depend on (seed, round, client, epoch) only.

        Args:
            epoch: Number of the epoch within the round, from 0.

        Yields:
            Batches.
        """
        order = self._order(epoch)
        for number in range(self.batches_per_epoch):
            yield self._batch(self._chosen(order, number, epoch), epoch)

    def batch(self, number: int) -> Batch:
        """Makes one batch of the round.

        Args:
            number: Number of the batch, counted over the epochs of the round; a client with few batches starts over.

        Returns:
            The batch.
        """
        epoch, number = divmod(number, self.batches_per_epoch)
        return self._batch(self._chosen(self._order(epoch), number, epoch), epoch)

    def everything(self) -> Batch:
        """Makes a batch of all training images in order, in the plain view (the first random one where cached)."""
        return self._batch(torch.arange(len(self.labels)), 0)

    def view(self, epoch: int) -> int:
        """Selects the view of the images for an epoch.

        Args:
            epoch: Number of the epoch within the round, from 0.

        Returns:
            0 for the plain image, else the number of a random view.
        """
        overall = self.round * self.training.local_epochs + epoch
        if self.training.online:
            return 1 + overall
        return 1 + overall % self.training.views if self.training.views else 0

    def _order(self, epoch: int) -> Tensor:
        """The shuffled examples. It may be known: whatever the order, an example is counted in full in every pass."""
        generator = torch_generator(self.seed, "batches", round=self.round, client=self.client, step=epoch)
        return torch.randperm(len(self.labels), generator=generator)

    def secret(self, purpose: str, step: int) -> KeyedGenerator:
        """Makes the generator of a draw that privacy rests on: noise, or who is in a sample.

        Args:
            purpose: What the draw is for.
            step: Step within the round.

        Returns:
            A generator from the scenario's seed, or from the operating system where the mechanism is not seeded.
        """
        if not self.mechanism.seeded:
            return system_generator()
        purpose = bind_purpose(purpose, self.attempt, self.mechanism.federation)
        return keyed_generator(self.seed, purpose, round=self.round, client=self.client, step=step)

    def _chosen(self, order: Tensor, number: int, epoch: int) -> Tensor:
        """The images of one batch: a piece of the order, or each by a draw of its own where the mechanism counts on it.

        A Poisson sample has any size, none at all as well.
        """
        size, clipping = self.training.batch_size, self.mechanism.examples
        if clipping is None or not clipping.poisson:
            return order[number * size : (number + 1) * size]
        generator = self.secret("poisson batch", epoch * self.batches_per_epoch + number)
        draws = generator.uniform(len(order))
        return torch.nonzero(draws < self.training.rate(len(order)))[:, 0]

    def _batch(self, chosen: Tensor, epoch: int) -> Batch:
        device = self.model.device
        columns = self.features.batch(chosen.numpy(), self.view(epoch))
        targets = self.task.targets(self.labels[chosen], self.model.candidates)
        return Batch(
            {name: column.to(device) for name, column in columns.items()},
            {name: column.to(device) for name, column in targets.items()},
        )


@dataclass(frozen=True, slots=True)
class ServerWork:
    """All that a method may use for the server's step after one exchange.

    Attributes:
        shared: Shared state that the clients received (their parts of it).
        mean: Mean upload over the participants, protected by the run's mechanism.
        updates: Each participant's upload by client; empty unless the method reads updates.
        sizes: Training examples of each client, in client order.
        training: The scenario's section.
        round: Round, from 0.
        exchange: Exchange within the round, from 0.
        exchanges: Exchanges of the round.
        participants: Clients whose uploads are in the mean.
    """

    shared: State
    mean: State
    updates: Mapping[int, State]
    sizes: tuple[int, ...]
    training: Training
    round: int
    exchange: int
    exchanges: int = 1
    participants: int = 0
