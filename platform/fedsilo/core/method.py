"""The contract of methods: what is shared, what is private, how a client trains, how the server steps.

A method of this project is a recipe, which is a learner under a strategy (`training.recipes`). The engine uses only the
members of this contract.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from fedsilo.core.batch import IMAGE, Columns
from fedsilo.core.data import Component
from fedsilo.core.frozen import Frozen
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import LocalResult
from fedsilo.core.strategy import Strategy
from fedsilo.core.types import State

if TYPE_CHECKING:
    from torch import Tensor

    from fedsilo.core.round_work import LocalWork, ServerWork

Predictor = Callable[[Columns], "Tensor"]
"""Columns of inputs (b, ...) -> (b, K) scores over the candidates."""


class Method(Component, ABC):
    """A federated learning method.

    Attributes:
        headline_rounds: Evaluated rounds that the headline averages, unless the scenario sets another number.
    """

    kind = "method"
    headline_rounds: ClassVar[int] = 5

    @property
    def parts(self) -> tuple[Learner, Strategy] | None:
        """Returns the learner and the strategy that it consists of; None where it is no combination of the two."""
        return None

    @property
    def uploads(self) -> tuple[str, ...]:
        """Returns the names of the tensors that a client sends; nothing else may leave the client."""
        return ()

    @property
    def trains(self) -> bool:
        """Returns False for a method that has nothing to train."""
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
        """Returns whether the upload is a gradient; otherwise it is new values of the shared tensors."""
        return False

    @property
    def uniform(self) -> bool:
        """Returns whether clients have equal weights in the mean, not their numbers of training examples."""
        return False

    @property
    def personal(self) -> bool:
        """Returns whether a client also trains parameters of its own, which never leave it."""
        return False

    @property
    def reads_names(self) -> bool:
        """Returns whether the result works with names of new classes too, with tensors of the same shapes."""
        return True

    @property
    def streams(self) -> int:
        """Returns how many gradients are made of a batch, by shared and by private parameters."""
        return len(self.uploads)

    @property
    def allows_stale(self) -> bool:
        """Returns whether updates that began from an older shared state can be added, as buffered rounds do.

        This needs one exchange per round, uploads of new values, and a plain mean without a server step of the method.
        """
        averages = type(self).server_step is Method.server_step
        return averages and not self.uploads_gradients and not self.reads_updates and self.exchanges(2) == 1

    @property
    def phrases(self) -> tuple[str, ...]:
        """Returns texts whose token embeddings the method reads from `Frozen.phrases`."""
        return ()

    @abstractmethod
    def initial_shared(self, model: Frozen, seed: int) -> State:
        """Makes the coordinator's state before round 0.

        Args:
            model: The frozen model.
            seed: The scenario's seed.

        Returns:
            Tensors by name; empty when nothing is shared.
        """

    @abstractmethod
    def initial_private(self, model: Frozen, seed: int, client: int) -> State:
        """Makes one client's private state before round 0.

        Args:
            model: The frozen model.
            seed: The scenario's seed.
            client: The client's number.

        Returns:
            Tensors by name; empty when nothing is private.
        """

    def exchanges(self, batches: int) -> int:
        """Computes the exchanges of a round.

        Args:
            batches: Batches of the client with the most batches.

        Returns:
            1 by default (FedAvg).
        """
        return 1

    def download(self, shared: State, client: int) -> State:
        """Selects what one client receives of the shared state.

        Args:
            shared: The shared state.
            client: The client's number.

        Returns:
            Tensors by name; all of them by default.
        """
        return shared

    @abstractmethod
    def train(self, work: LocalWork) -> LocalResult:
        """Trains one client for one exchange. Pure: the work is not changed.

        Args:
            work: All that the client may use.

        Returns:
            Upload, new private state, loss and steps.
        """

    def server_step(self, work: ServerWork) -> State:
        """Computes the next shared state; FedAvg takes the mean upload as it is.

        Args:
            work: Shared state and mean upload.

        Returns:
            All shared tensors by name.
        """
        return {**work.shared, **work.mean}

    def adapt(self, work: LocalWork) -> State:
        """Adapts a client's private state before an evaluation; the client keeps the result.

        Args:
            work: The client's work.

        Returns:
            The private state; unchanged by default.
        """
        return work.private

    def private_for_new_classes(self, model: Frozen, private: State) -> State:
        """Adapts a client's private state to a predictor for a model with other classes.

        Args:
            model: The model with the other classes.
            private: The client's private state.

        Returns:
            The private state; unchanged by default.
        """
        return private

    @abstractmethod
    def predictor(self, model: Frozen, shared: State, private: State) -> Predictor:
        """Makes the function with which a client scores images.

        Args:
            model: The frozen model.
            shared: What the client received.
            private: The client's private state.

        Returns:
            A function from columns of inputs (b, ...) to scores (b, K).
        """
