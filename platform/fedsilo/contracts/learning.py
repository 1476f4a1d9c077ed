"""Methods: what is shared, what is private, how a client trains, how the server steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fedsilo.contracts.data import Component

if TYPE_CHECKING:
    from torch import Tensor

    from fedsilo.learning.training import LocalWork, ServerWork
    from fedsilo.prompts.frozen import FrozenModel

State = Mapping[str, "Tensor"]

Predictor = Callable[["Tensor", "Tensor | None"], "Tensor"]
"""Pooled features (b, D) and patch tokens (b, M, D) or None -> (b, K) scores over all classes of the data set."""


class Method(Component, ABC):
    """A federated learning method.

    Attributes:
        uploads: Names of the tensors a client sends up; nothing else may leave it.
        needs_tokens: Whether it reads patch tokens and not only the pooled image feature.
        trains: False for a method that has nothing to learn.
        reads_updates: Whether the server needs each client's update in the clear and not only their sum.
        separable: Whether the loss of an example depends on it, on what was received, and on tensors that are trained
            by such losses, and on nothing else of the client's data: what protecting single examples takes.
        headline_rounds: Evaluated rounds that the headline averages, unless the scenario says otherwise.
    """

    kind = "method"
    uploads: ClassVar[tuple[str, ...]] = ()
    needs_tokens: ClassVar[bool] = False
    trains: ClassVar[bool] = True
    reads_updates: ClassVar[bool] = False
    separable: ClassVar[bool] = False
    headline_rounds: ClassVar[int] = 5

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
        """Returns texts whose token embeddings the method asks of `FrozenModel.phrase`."""
        return ()

    @abstractmethod
    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns the coordinator's state before round 0; empty when nothing is shared."""

    @abstractmethod
    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
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

    def unfamiliar(self, model: FrozenModel, private: State) -> State:
        """Returns the private state as a predictor for a model with other classes needs it: by default as it is."""
        return private

    @abstractmethod
    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns a function from image features to class scores; class features are computed once, here.

        Args:
            model: The frozen side.
            shared: What the client received.
            private: The client's own state.
        """


@dataclass(frozen=True, slots=True)
class LocalResult:
    """What local training gives back inside a client; only `upload` leaves it.

    Attributes:
        upload: Tensors for the coordinator, named as in `Method.uploads`.
        private: The client's own state after training.
        loss: Mean training loss over the steps, nan when there were none.
        steps: Optimiser steps made.
    """

    upload: State
    private: State
    loss: float
    steps: int
