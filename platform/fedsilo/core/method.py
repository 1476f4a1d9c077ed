"""Methods as the engine sees them: what is shared, what is private, how a client trains, how the server steps.

A method of this project is a recipe, a learner under a strategy (`training.recipes`); the engine asks it what is below
and nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from fedsilo.core.batch import IMAGE, Columns
from fedsilo.core.data import Component
from fedsilo.core.frozen import Frozen
from fedsilo.core.learner import Learner
from fedsilo.core.strategy import LocalResult, Strategy
from fedsilo.core.types import State

if TYPE_CHECKING:
    from torch import Tensor

    from fedsilo.core.work import LocalWork, ServerWork

Predictor = Callable[[Columns], "Tensor"]
"""Columns of inputs (b, ...) -> (b, K) scores over the candidates."""


class Method(Component, ABC):
    """A federated learning method.

    Attributes:
        headline_rounds: Evaluated rounds that the headline averages, unless the scenario says otherwise.
    """

    kind = "method"
    headline_rounds: ClassVar[int] = 5

    @property
    def parts(self) -> tuple[Learner, Strategy] | None:
        """Returns the learner and the strategy that it is made of; None where it is not made of the two."""
        return None

    @property
    def uploads(self) -> tuple[str, ...]:
        """Returns the names of the tensors that a client sends up; nothing else may leave it."""
        return ()

    @property
    def trains(self) -> bool:
        """Returns False for a method that has nothing to learn."""
        return True

    @property
    def reads_updates(self) -> bool:
        """Returns whether the server needs each client's update in the clear and not only their sum."""
        return False

    @property
    def separable(self) -> bool:
        """Returns whether the loss of an example depends on that example alone, and on what was received or learned.

        Protection of single examples needs it.
        """
        return False

    @property
    def reads(self) -> frozenset[str]:
        """Returns the columns of inputs that it reads (`core.batch`)."""
        return frozenset({IMAGE})

    @property
    def needs_image_blocks(self) -> int | None:
        """Returns the first block of the image tower that clients run themselves; None: none of them."""
        return None

    @property
    def entangled(self) -> str:
        """Returns why it is not `separable` and what to do, as the end of a sentence about it."""
        return "learns from several at once. Use the unit 'client', or another method"

    @property
    def uploads_gradients(self) -> bool:
        """Returns whether the upload is a gradient; it is new values of the shared tensors otherwise."""
        return False

    @property
    def uniform(self) -> bool:
        """Returns whether clients count alike in the mean; they count by training examples otherwise."""
        return False

    @property
    def personal(self) -> bool:
        """Returns whether a client also learns parameters of its own, which never leave it."""
        return False

    @property
    def reads_names(self) -> bool:
        """Returns whether what was learnt works with class names that were not trained on, under the same shapes."""
        return True

    @property
    def streams(self) -> int:
        """Returns how many gradients a batch is turned into, by shared and by own parameters."""
        return len(self.uploads)

    @property
    def allows_stale(self) -> bool:
        """Returns whether updates that began from an older shared state can be added: changes of it, merely averaged.

        What buffered rounds take: one exchange a round, new values, and no server step of the method's own.
        """
        averages = type(self).server_step is Method.server_step
        return averages and not self.uploads_gradients and not self.reads_updates and self.exchanges(2) == 1

    @property
    def phrases(self) -> tuple[str, ...]:
        """Returns texts whose token embeddings the method asks of `Frozen.phrase`."""
        return ()

    @abstractmethod
    def initial_shared(self, model: Frozen, seed: int) -> State:
        """Returns the coordinator's state before round 0; empty when nothing is shared."""

    @abstractmethod
    def initial_private(self, model: Frozen, seed: int, client: int) -> State:
        """Returns one client's own state before round 0; empty when nothing is private."""

    def exchanges(self, batches: int) -> int:
        """Returns exchanges in a round whose longest client has so many batches: 1 (FedAvg kind) by default."""
        return 1

    def download(self, shared: State, client: int) -> State:
        """Returns what one client receives of the shared state: all of it by default."""
        return shared

    @abstractmethod
    def train(self, work: LocalWork) -> LocalResult:
        """Returns what one client learns in one exchange. Pure: the work is not changed."""

    def server_step(self, work: ServerWork) -> State:
        """Returns the next shared state; FedAvg takes the mean upload as it is."""
        return {**work.shared, **work.mean}

    def adapt(self, work: LocalWork) -> State:
        """Returns the private state that an evaluation is made with, and that the client keeps: by default as it is."""
        return work.private

    def unfamiliar(self, model: Frozen, private: State) -> State:
        """Returns the private state as a predictor for a model with other classes needs it: by default as it is."""
        return private

    @abstractmethod
    def predictor(self, model: Frozen, shared: State, private: State) -> Predictor:
        """Returns a function from columns of inputs to scores.

        Args:
            model: The frozen side.
            shared: What the client received.
            private: The client's own state.
        """
