"""The contract of learners: which parameters exist, and which scores they give. One file each in `learners/`.

A learner knows nothing of clients and servers: the strategy decides which parameters are sent. Only the parameters that
stay with their client by the method's definition are named here (`personal`).

Dimensions: b images, K candidates, N prompts, L context tokens, W text width, D joint width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from fedsilo.core.batch import IMAGE, Batch, Columns
from fedsilo.core.data import Component
from fedsilo.core.frozen import Frozen
from fedsilo.core.task import Task
from fedsilo.core.types import State

if TYPE_CHECKING:
    from torch import Tensor

    from fedsilo.core.round_work import LocalWork


class Learner(Component, ABC):
    """A model's trained part.

    Attributes:
        trains: False for a learner without parameters.
    """

    kind = "learner"
    trains: ClassVar[bool] = True

    @property
    def personal(self) -> tuple[str, ...]:
        """Returns the names of the parameters that stay with their client by the method's definition."""
        return ()

    @property
    def separable(self) -> bool:
        """Returns whether the loss of an example depends on that example alone: protecting examples needs it."""
        return False

    @property
    def vectorises(self) -> bool:
        """Returns whether `torch.func.vmap` can run its loss: no branch depends on the numbers in a tensor."""
        return False

    @property
    def reads(self) -> frozenset[str]:
        """Returns the columns of inputs that it reads (`core.batch`): the pooled feature by default."""
        return frozenset({IMAGE})

    @property
    def needs_image_blocks(self) -> int | None:
        """Returns the first block of the image tower that it runs itself (`Frozen.image`); None: none of them.

        A learner that goes on from the activations in front of block k reads `hidden(k)` and needs the blocks from k.
        """
        return None

    @property
    def entangled(self) -> str:
        """Returns why it is not `separable` and what to do, as the end of a sentence about it."""
        return "learns from several at once. Use the unit 'client', or another method"

    @property
    def statistics(self) -> tuple[str, ...]:
        """Returns the names of buffers that are averaged together with the parameters: none by default."""
        return ()

    @property
    def norms(self) -> tuple[str, ...]:
        """Returns the names of the parameters of normalisation layers: none by default."""
        return ()

    @property
    def phrases(self) -> tuple[str, ...]:
        """Returns texts whose token embeddings it reads from `Frozen.phrases`."""
        return ()

    @property
    def reads_names(self) -> bool:
        """Returns whether the learned parameters also work with names of classes that were not trained on."""
        return True

    @property
    def streams(self) -> int:
        """Returns how many gradients are made of a batch."""
        return len(self.names())

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """Returns the factors on the learning rate of single parameters; 1 for those not named."""
        return {}

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Returns the names of all trained parameters in a fixed order, which depends on no data and no model."""

    @abstractmethod
    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws the parameters before training.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed; draws come from `seeds.torch_generator(seed, purpose)`.
            client: The client's number. Shared parameters must not depend on it.

        Returns:
            All parameters by name.

        Raises:
            BackboneError: The model does not have what the learner needs.
        """

    def buffers(self, frozen: Frozen, seed: int, client: int) -> State:
        """Makes the tensors that are kept beside the parameters and not trained.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number.

        Returns:
            Buffers by name; none by default.
        """
        return {}

    @abstractmethod
    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Computes the scores of a batch.

        Args:
            params: All parameters by name.
            buffers: All buffers by name; in training they are copies that the learner may write to, as BatchNorm does.
            inputs: The columns that it reads, (b, ...) each.
            frozen: The frozen model.
            training: Whether this is a training step.

        Returns:
            Scores (b, K).
        """

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        """Computes the mean loss of a batch: by default the task's loss of the scores.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            batch: The batch.
            frozen: The frozen model.
            task: The task.

        Returns:
            The loss, shape ().
        """
        scores = self.scores(params, buffers, batch.inputs, frozen, training=True)
        return task.loss(scores, batch.targets, frozen.candidates)

    def observe_data(self, work: LocalWork, buffers: State) -> State:
        """Makes the buffers that a client trains with and keeps, after the learner has looked at the client's data.

        Args:
            work: The client's work, with its data.
            buffers: The buffers so far.

        Returns:
            All buffers; unchanged by default.
        """
        return buffers

    def repaired(self, shared: State) -> State:
        """Finds statistics of a shared state that have impossible values, such as a negative variance.

        Noise and late updates can carry a mean beyond every value that it is the mean of.

        Args:
            shared: The shared state after a server step.

        Returns:
            Repaired tensors by name; none by default.
        """
        return {}

    def for_other_candidates(self, frozen: Frozen, buffers: State) -> State:
        """Adapts the buffers to a model with other candidates.

        Args:
            frozen: The model with the other candidates.
            buffers: The buffers.

        Returns:
            All buffers; unchanged by default.
        """
        return buffers
