"""The contract of strategies: which parameters are sent, how a client trains, and how the server uses the updates.

One file each in `strategies/`. A strategy knows parameters by name only. It can train any learner that it does not
refuse (`refusals`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from fedsilo.core.data import Component
from fedsilo.core.learner import Learner
from fedsilo.core.local_trainer import MEMORY, SERVER, LocalResult, LocalTrainer
from fedsilo.core.types import State

if TYPE_CHECKING:
    from fedsilo.core.round_work import ServerWork


class Strategy(Component, ABC):
    """A federated algorithm.

    Attributes:
        reads_updates: Whether the server needs each client's update in the clear and not only their sum.
        averages: Whether the server only averages the clients' results, so that late ones can be added.
        needs_sgd: Whether its equations assume SGD that begins every round without momentum. Other optimizers and
            momentum that is kept are refused then.
        counts_exactly: Whether it uploads numbers that the server uses unchanged. Mechanisms, which clip an upload as
            a whole and add noise to all of it, are refused then.
        separable: Whether the terms that it adds to the loss of an example depend on that example alone and are clipped
            with it.
    """

    kind = "strategy"
    reads_updates: ClassVar[bool] = False
    averages: ClassVar[bool] = True
    needs_sgd: ClassVar[bool] = False
    counts_exactly: ClassVar[bool] = False
    separable: ClassVar[bool] = True

    @property
    def uploads_gradients(self) -> bool:
        """Returns whether every batch's gradient is sent; the result of a round's local training is sent otherwise."""
        return False

    @property
    def uniform(self) -> bool:
        """Returns whether clients have equal weights in the mean, not their numbers of training examples."""
        return False

    def shared(self, learner: Learner) -> tuple[str, ...]:
        """Selects the parameters that are sent.

        Args:
            learner: The learner.

        Returns:
            Their names; by default all but the personal ones.
        """
        personal = set(learner.personal)
        return tuple(name for name in learner.names() if name not in personal)

    def kept(self, learner: Learner) -> tuple[str, ...]:
        """Selects the parameters that stay with each client.

        Args:
            learner: The learner.

        Returns:
            Their names; by default all that are not shared.
        """
        shared = set(self.shared(learner))
        return tuple(name for name in learner.names() if name not in shared)

    def statistics(self, learner: Learner) -> tuple[str, ...]:
        """Selects the buffers that are sent.

        Args:
            learner: The learner.

        Returns:
            Their names; by default the learner's statistics, if any parameter is sent.
        """
        return learner.statistics if self.shared(learner) and not self.uploads_gradients else ()

    def extras(self, learner: Learner) -> tuple[str, ...]:
        """Names what is uploaded beside parameters and statistics, such as control variates.

        Args:
            learner: The learner.

        Returns:
            Names of tensors; none by default.
        """
        return ()

    def initial_shared(self, params: State, learner: Learner, seed: int) -> State:
        """Makes the coordinator's state before round 0.

        Args:
            params: All parameters and buffers before training.
            learner: The learner.
            seed: The scenario's seed.

        Returns:
            Tensors by name.
        """
        return {name: params[name] for name in (*self.shared(learner), *self.statistics(learner))}

    def initial_private(self, params: State, learner: Learner) -> State:
        """Makes a client's private state before round 0.

        Args:
            params: All parameters and buffers of the client before training.
            learner: The learner.

        Returns:
            Tensors by name.
        """
        travels = {*self.shared(learner), *self.statistics(learner)} - set(self.kept(learner))
        return {name: tensor for name, tensor in params.items() if name not in travels}

    def download(self, shared: State, client: int) -> State:
        """Selects what one client receives.

        Args:
            shared: The shared state.
            client: The client's number.

        Returns:
            Tensors by name; by default all but the server optimizer's own.
        """
        return {name: tensor for name, tensor in shared.items() if not name.startswith((MEMORY, SERVER))}

    def together(self, received: State, private: State, learner: Learner) -> State:
        """Joins the received tensors and a client's own.

        Args:
            received: What the client received.
            private: The client's private state.
            learner: The learner.

        Returns:
            Parameters and buffers by name.
        """
        kept = {name: private[name] for name in self.kept(learner)}
        return {**private, **received, **kept}

    def serve(self, received: State, private: State, learner: Learner) -> State:
        """Makes the model that a client is evaluated with.

        Args:
            received: What the client received.
            private: The client's private state.
            learner: The learner.

        Returns:
            Parameters and buffers by name.
        """
        return self.together(received, private, learner)

    @abstractmethod
    def train(self, local: LocalTrainer) -> LocalResult:
        """Trains one client for one exchange. Pure: the work is not changed.

        Args:
            local: The client's trainer.

        Returns:
            Upload, new private state, loss and steps.
        """

    @abstractmethod
    def server_step(self, work: ServerWork, learner: Learner) -> State:
        """Computes the next shared state.

        Args:
            work: Shared state and mean upload.
            learner: The learner.

        Returns:
            All shared tensors by name.
        """

    def adapt(self, local: LocalTrainer) -> State:
        """Adapts a client's private state before an evaluation; the client keeps the result.

        Args:
            local: The client's trainer.

        Returns:
            The private state; unchanged by default.
        """
        return local.work.private

    def exchanges(self, batches: int) -> int:
        """Computes the exchanges of a round.

        Args:
            batches: Batches of the client with the most batches.

        Returns:
            One for each batch where gradients are sent, else 1.
        """
        return batches if self.uploads_gradients else 1

    def refusals(self, learner: Learner) -> list[str]:
        """Lists why a learner cannot be trained under this strategy.

        Args:
            learner: The learner.

        Returns:
            Lines 'key: why. What to do.'; empty when it can.
        """
        return []
