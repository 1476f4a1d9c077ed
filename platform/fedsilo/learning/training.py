"""What training is given: the scenario's section, batches and views, the work of a client and of the server.

The settings are those of CoOp's trainer, which the papers inherit: SGD with momentum 0.9 and weight decay 5e-4,
shuffled batches, a last smaller batch left out if there is a full one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.contracts import FeatureSource, Mechanism, State
from fedsilo.fields import key
from fedsilo.keyed_draws import KeyedGenerator
from fedsilo.learning.optimizer import Optimizer
from fedsilo.prompts.frozen import FrozenModel
from fedsilo.seeds import anew, keyed_generator, system_generator, torch_generator

FLOATING_ERROR = 1e-9
"""More than a product of a share and a number of clients is off by, less than anything a user means."""


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

    def batches(self, examples: int) -> int:
        """Returns how many batches an epoch has: a last smaller one counts only where no full one exists."""
        return max(examples // self.batch_size, 1)

    def rate(self, examples: int) -> float:
        """Returns the share of a client's examples that a batch holds, on average where it is a Poisson sample."""
        return min(self.batch_size / examples, 1.0)

    def participants(self, clients: int) -> int:
        """Returns how many of so many clients train in a round: max(int(participation * clients), 1).

        0.29 * 100 is 28.999999999999996 in floating point and means 29.
        """
        return max(math.floor(self.participation * clients + FLOATING_ERROR), 1)


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's images: pooled (b, D), tokens (b, M, D) or None, labels (b,)."""

    pooled: Tensor
    tokens: Tensor | None
    labels: Tensor


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
        mechanism: What protects gradients of the client's own parameters.
        seed: The scenario's seed.
        client: The client's number.
        round: Round, from 0.
        exchange: Exchange within the round, from 0.
        attempt: The number of this attempt at the round: noise and samples of different attempts are independent.
    """

    model: FrozenModel
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

    @property
    def batches_per_epoch(self) -> int:
        """Returns how many batches an epoch has: a last smaller one counts only where no full one exists."""
        return self.training.batches(len(self.labels))

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yields the batches of one local epoch; which, depends on (seed, round, client, epoch) only."""
        order = self._order(epoch)
        for number in range(self.batches_per_epoch):
            yield self._batch(self._chosen(order, number, epoch), epoch)

    def batch(self, number: int) -> Batch:
        """Returns one batch of the round, counted over its epochs; a client with few batches begins them anew."""
        epoch, number = divmod(number, self.batches_per_epoch)
        return self._batch(self._chosen(self._order(epoch), number, epoch), epoch)

    def everything(self) -> Batch:
        """Returns all training images in their own order, in the plain view (the first random one where cached)."""
        return self._batch(torch.arange(len(self.labels)), 0)

    def view(self, epoch: int) -> int:
        """Returns which view of the images an epoch sees: 0 the plain one, else one of the random ones."""
        overall = self.round * self.training.local_epochs + epoch
        if self.training.online:
            return 1 + overall
        return 1 + overall % self.training.views if self.training.views else 0

    def _order(self, epoch: int) -> Tensor:
        """The shuffled examples. It may be known: whatever the order, an example is counted in full in every pass."""
        generator = torch_generator(self.seed, "batches", round=self.round, client=self.client, step=epoch)
        return torch.randperm(len(self.labels), generator=generator)

    def secret(self, purpose: str, step: int) -> KeyedGenerator:
        """Returns the generator of a draw that privacy rests on: noise, or who is in a sample."""
        if not self.mechanism.seeded:
            return system_generator()
        purpose = anew(purpose, self.attempt, self.mechanism.federation)
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
        pooled, tokens = self.features.batch(chosen.numpy(), self.view(epoch))
        return Batch(pooled.to(device), None if tokens is None else tokens.to(device), self.labels[chosen].to(device))


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
    """

    shared: State
    mean: State
    updates: Mapping[int, State]
    sizes: tuple[int, ...]
    training: Training
    round: int
    exchange: int
