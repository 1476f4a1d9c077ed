"""The contract of a client's trainer, which strategies use: its result, and the terms that a strategy adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fedsilo.core.batch import Batch
from fedsilo.core.learner import Learner
from fedsilo.core.types import State

if TYPE_CHECKING:
    from torch import Tensor

    from fedsilo.core.round_work import LocalWork

MEMORY, SERVER = "optimizer/", "server/"
"""Prefixes of an optimizer's tensors in private state, and of the server's own tensors in shared state."""

Penalty = Callable[[State], "Tensor"]
"""A term of the loss, shape (), as a function of the parameters. It reads no data."""

Contrast = Callable[[State, Batch], "Tensor"]
"""A term of the loss, shape (), as a function of the parameters and a batch."""

Correction = Callable[[State], State]
"""Gradients by name -> the gradients of the step."""


@dataclass(frozen=True, slots=True)
class LocalResult:
    """The result of local training inside a client; only `upload` leaves the client.

    Attributes:
        upload: Tensors for the coordinator, named as in `Method.uploads`.
        private: The client's own state after training.
        loss: Mean training loss over the steps, nan when there were none.
        steps: Optimizer steps.
    """

    upload: State
    private: State
    loss: float
    steps: int


@dataclass(frozen=True, slots=True)
class Descent:
    """The result of gradient descent.

    Attributes:
        params: The trained parameters.
        buffers: The buffers.
        memory: The optimizer's tensors, for the private state; empty unless they are kept from round to round.
        loss: Mean loss over the steps, nan without steps.
        steps: Optimizer steps.
        travel: Sum over the steps of the learning rate times the factor that momentum gives to one gradient until then:
            with SGD, a constant gradient g moves the parameters by -travel * g.
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
        correction: Changes the gradients before each step, after the privacy mechanism.
        epochs: Numbers of the epochs; those of the round by default. Epochs from `APART` on repeat no draw of a round's
            training.
        private: Whether the mechanism protects the gradients; False where they never influence an upload.
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
    """How a strategy trains a client; the only implementation is `training.local_training.LocalTraining`."""

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
        """Returns the buffers at the start of training."""
        ...

    def descend(self, start: State, terms: Terms = PLAIN, memory: str = MEMORY) -> Descent:
        """Trains parameters by gradient descent.

        Args:
            start: All parameters by name; buffers in it replace those that were received.
            terms: What is added to the learner's loss.
            memory: Prefix of this descent's optimizer tensors in the private state; several descents need several
                prefixes.

        Returns:
            The trained parameters, buffers and loss.

        Raises:
            ClientError: The loss or a parameter is not finite.
        """
        ...

    def one_batch(self, start: State, kept: tuple[str, ...]) -> tuple[State, State, State, float]:
        """Takes the gradients of the exchange's batch, and steps the parameters that stay with the client.

        Args:
            start: All parameters by name.
            kept: Names of the parameters that the client steps itself.

        Returns:
            Gradients by name; what the client keeps: the stepped `kept` parameters, and its own buffers, which the
            learner may write; the optimizer's tensors; the loss.
        """
        ...
