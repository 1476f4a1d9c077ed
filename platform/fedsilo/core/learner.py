"""Learners: which parameters there are, and which scores they give. One file each in `learners/`.

A learner says nothing of clients and servers: which parameters travel is the strategy's business, but for those that
stay with their client by the method's definition (`personal`).

Dimensions: b images, K candidates, N prompts, L context tokens, W text width, D joint width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from fedsilo.core.batch import IMAGE, Batch, Columns
from fedsilo.core.data import Component
from fedsilo.core.frozen import Frozen
from fedsilo.core.task import Task
from fedsilo.core.types import State

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from fedsilo.core.work import LocalWork


class Learner(Component, ABC):
    """What is learned.

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
        """Returns whether `torch.func.vmap` can run its loss: it decides nothing by the numbers in a tensor."""
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
        """Returns texts whose token embeddings it asks of `Frozen.phrases`."""
        return ()

    @property
    def reads_names(self) -> bool:
        """Returns whether what was learned works with the names of classes that were not trained on."""
        return True

    @property
    def streams(self) -> int:
        """Returns how many gradients a batch is turned into."""
        return len(self.names())

    @property
    def rate_factors(self) -> Mapping[str, float]:
        """Returns the factors on the learning rate of single parameters; 1 for those not named."""
        return {}

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Returns the names of all trained parameters, in a fixed order; they depend on no data and no model."""

    @abstractmethod
    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Returns the parameters before training.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed; draws come from `seeds.torch_generator(seed, purpose)`.
            client: The client's number. Shared parameters must not depend on it.

        Raises:
            BackboneError: The model does not have what the learner needs.
        """

    def buffers(self, frozen: Frozen, seed: int, client: int) -> State:
        """Returns the tensors that are kept beside the parameters and not trained: none by default."""
        return {}

    @abstractmethod
    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Returns the scores (b, K).

        Args:
            params: All parameters by name.
            buffers: All buffers by name; in training they are copies that the learner may write, as BatchNorm does.
            inputs: The columns that it reads.
            frozen: The frozen model.
            training: Whether it is a training step.
        """

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        """Returns the mean loss of a batch, shape (): by default the task's, of the scores."""
        scores = self.scores(params, buffers, batch.inputs, frozen, training=True)
        return task.loss(scores, batch.targets, frozen.candidates)

    def observed(self, work: LocalWork, buffers: State) -> State:
        """Returns the buffers that a client trains with and keeps, with what it notes of its data: as they are."""
        return buffers

    def repaired(self, shared: State) -> State:
        """Returns the statistics of a shared state that are outside of what they can be, put back: none by default.

        Noise and updates that come late can carry a mean beyond all that it is the mean of.
        """
        return {}

    def for_other_candidates(self, frozen: Frozen, buffers: State) -> State:
        """Returns the buffers as they serve a model with other candidates: unchanged by default."""
        return buffers


@runtime_checkable
class ThroughText(Protocol):
    """A learner whose scores come from text features of its contexts, and from nothing else that is learned.

    Per-example gradients then run through the text tower once for all examples, unless it has a `loss` of its own.
    """

    @property
    def common_prefix(self) -> bool:
        """Returns whether all candidates have the same context in front, which the recorded forward needs."""
        ...

    def contexts(self, params: State) -> Tensor:
        """Returns the contexts (N, L, W), or (N, K, L, W) one per candidate, differentiable in the parameters."""
        ...

    def scores_of_texts(self, frozen: Frozen, texts: Tensor, inputs: Columns) -> Tensor:
        """Returns scores (b, K) of images under normalised text features (N, K, D)."""
        ...


@runtime_checkable
class Factored(Protocol):
    """A learner that trains some parameters through factors which are drawn for every batch."""

    def leaves(self, params: State, generator: torch.Generator) -> State:
        """Returns what gradients are taken by, in the place of the parameters."""
        ...

    def at(self, leaves: State, fixed: State, params: State) -> State:
        """Returns what `scores` reads, differentiable in the leaves.

        Args:
            leaves: The tensors that gradients are taken by.
            fixed: What `leaves` returned, without gradient.
            params: The parameters.
        """
        ...

    def recombined(self, leaves: State, gradients: State) -> State:
        """Returns the gradients by the parameters that have factors, from those by the leaves."""
        ...


@runtime_checkable
class Representing(Protocol):
    """A learner that has a representation of an image that training changes; MOON compares these."""

    def representation(self, params: State, buffers: State, inputs: Columns, frozen: Frozen) -> Tensor:
        """Returns representations (b, R)."""
        ...


@runtime_checkable
class Mixing(Protocol):
    """A learner that mixes in what other clients learned; it reads that as the buffer "experts"."""

    @property
    def mixed(self) -> str:
        """Returns the name of the parameter whose values of other clients it reads, stacked (E, ...)."""
        ...
