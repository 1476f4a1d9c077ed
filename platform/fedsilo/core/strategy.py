"""Strategies: which parameters travel, how a client trains beside what it received, what the server makes of updates.

One file each in `strategies/`. A strategy knows parameters by name only; any learner can be trained under it, unless it
says why not (`refusals`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from fedsilo.core.batch import Batch
from fedsilo.core.data import Component
from fedsilo.core.learner import Learner
from fedsilo.core.types import State

if TYPE_CHECKING:
    from torch import Tensor

    from fedsilo.core.work import LocalWork, ServerWork

MEMORY, SERVER = "optimizer/", "server/"
"""Prefixes of an optimizer's tensors in private state, and of what the server keeps for itself in shared state."""

Penalty = Callable[[State], "Tensor"]
"""A term of the loss, shape (), as a function of the parameters. It reads no data."""

Contrast = Callable[[State, Batch], "Tensor"]
"""A term of the loss, shape (), as a function of the parameters and a batch."""

Correction = Callable[[State], State]
"""Gradients by name -> the gradients that are stepped along."""


@dataclass(frozen=True, slots=True)
class LocalResult:
    """What local training gives back inside a client; only `upload` leaves it.

    Attributes:
        upload: Tensors for the coordinator, named as in `Method.uploads`.
        private: The client's own state after training.
        loss: Mean training loss over the steps, nan when there were none.
        steps: Optimizer steps made.
    """

    upload: State
    private: State
    loss: float
    steps: int


@dataclass(frozen=True, slots=True)
class Descent:
    """Where gradient descent ended.

    Attributes:
        params: The trained parameters.
        buffers: The buffers.
        memory: The optimizer's tensors, for the private state; empty unless they are kept from round to round.
        loss: Mean loss over the steps, nan without steps.
        steps: Steps made.
        travel: Sum over the steps of the learning rate times what momentum makes of one gradient by then: with SGD,
            a constant gradient g moves the parameters by -travel * g.
    """

    params: dict[str, Tensor]
    buffers: dict[str, Tensor]
    memory: dict[str, Tensor]
    loss: float
    steps: int
    travel: float


@dataclass(frozen=True, slots=True)
class Terms:
    """What a strategy adds to local training.

    Attributes:
        penalty: A term of the loss that reads no data.
        contrast: A term of the loss of each batch.
        correction: What gradients are changed by before each step, after privacy.
        epochs: Which epochs, by number; those of the round by default. Epochs from `APART` on repeat no draw of a
            round's training.
        private: Whether gradients are protected by the mechanism; False for what never bears on an upload.
    """

    penalty: Penalty | None = None
    contrast: Contrast | None = None
    correction: Correction | None = None
    epochs: range | None = None
    private: bool = True


PLAIN = Terms()
"""Nothing is added."""

APART = 1_000_000
"""Number of the first epoch whose batches must repeat no draw of a round's training. Counting on from `local_epochs` is
not enough: where every batch is exchanged, a client with few batches goes on beyond them."""


class LocalTrainer(Protocol):
    """What a strategy trains a client with; `training.local.LocalTraining` is the one that there is."""

    @property
    def work(self) -> LocalWork:
        """Returns the client's work: what it received, its own state, its data."""
        ...

    @property
    def learner(self) -> Learner:
        """Returns the learner."""
        ...

    @property
    def buffers(self) -> State:
        """Returns the buffers that training begins with."""
        ...

    def descend(self, start: State, terms: Terms = PLAIN, memory: str = MEMORY) -> Descent:
        """Returns where descent from some parameters ends.

        Args:
            start: All parameters by name; buffers among them begin there, the others as received.
            terms: What is added to the learner's loss.
            memory: Prefix of this descent's optimizer tensors in the private state, so that several keep their own.

        Raises:
            ClientError: The loss or a parameter is not finite.
        """
        ...

    def one_batch(self, start: State, kept: tuple[str, ...]) -> tuple[State, State, State, float]:
        """Returns the gradients of the exchange's batch, what the client steps and writes, its memory, and the loss.

        The second is the stepped `kept` parameters and the client's own buffers, which the learner may write.

        Args:
            start: All parameters by name.
            kept: Names of those that the client steps itself.
        """
        ...


class Strategy(Component, ABC):
    """A federated algorithm.

    Attributes:
        reads_updates: Whether the server needs each client's update in the clear and not only their sum.
        averages: Whether the server takes the mean of the clients' results as it is, so that late ones can be added.
        needs_sgd: Whether it computes with the steps of SGD that begins every round without momentum, so that other
            optimizers, and momentum that is kept, are refused.
        counts_exactly: Whether it uploads numbers that the server computes with as they are, so that mechanisms, which
            clip an upload as a whole and add noise to all of it, are refused.
        separable: Whether what it adds to the loss of an example depends on that example alone and is part of what is
            clipped by example.
    """

    kind = "strategy"
    reads_updates: ClassVar[bool] = False
    averages: ClassVar[bool] = True
    needs_sgd: ClassVar[bool] = False
    counts_exactly: ClassVar[bool] = False
    separable: ClassVar[bool] = True

    @property
    def uploads_gradients(self) -> bool:
        """Returns whether every batch's gradient is sent; the result of a round's local training otherwise."""
        return False

    @property
    def uniform(self) -> bool:
        """Returns whether clients count alike in the mean; by training examples otherwise."""
        return False

    def shared(self, learner: Learner) -> tuple[str, ...]:
        """Returns the names of the parameters that travel: by default all but the personal ones."""
        return tuple(name for name in learner.names() if name not in learner.personal)

    def kept(self, learner: Learner) -> tuple[str, ...]:
        """Returns the names of the parameters that each client keeps its own of: by default all others."""
        shared = self.shared(learner)
        return tuple(name for name in learner.names() if name not in shared)

    def statistics(self, learner: Learner) -> tuple[str, ...]:
        """Returns the buffers that travel: by default those that the learner has averaged, if anything travels."""
        return learner.statistics if self.shared(learner) and not self.uploads_gradients else ()

    def extras(self, learner: Learner) -> tuple[str, ...]:
        """Returns the names of what is uploaded beside parameters and statistics, such as control variates."""
        return ()

    def initial_shared(self, params: State, learner: Learner, seed: int) -> State:
        """Returns the coordinator's state before round 0, from all parameters and buffers before training."""
        return {name: params[name] for name in (*self.shared(learner), *self.statistics(learner))}

    def initial_private(self, params: State, learner: Learner) -> State:
        """Returns a client's own state before round 0, from all its parameters and buffers before training."""
        travels = {*self.shared(learner), *self.statistics(learner)} - set(self.kept(learner))
        return {name: tensor for name, tensor in params.items() if name not in travels}

    def download(self, shared: State, client: int) -> State:
        """Returns what one client receives: by default all but the server optimizer's own tensors."""
        return {name: tensor for name, tensor in shared.items() if not name.startswith((MEMORY, SERVER))}

    def together(self, received: State, private: State, learner: Learner) -> State:
        """Returns parameters and buffers by name: those received, and the client's own."""
        kept = {name: private[name] for name in self.kept(learner)}
        return {**private, **received, **kept}

    def served(self, received: State, private: State, learner: Learner) -> State:
        """Returns parameters and buffers of the model that a client is evaluated with."""
        return self.together(received, private, learner)

    @abstractmethod
    def train(self, local: LocalTrainer) -> LocalResult:
        """Returns what one client learns in one exchange. Pure: the work is not changed."""

    @abstractmethod
    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Returns the next shared state, all of it."""

    def adapt(self, local: LocalTrainer) -> State:
        """Returns the private state that an evaluation is made with, and that the client keeps: by default as it is."""
        return local.work.private

    def exchanges(self, batches: int) -> int:
        """Returns the exchanges of a round whose longest client has so many batches."""
        return batches if self.uploads_gradients else 1

    def refusals(self, learner: Learner) -> list[str]:
        """Returns why the learner cannot be trained under this strategy, as 'key: why. What to do.' lines."""
        return []
