"""Optional capabilities of learners, as protocols: a learner without them takes the general path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from fedsilo.core.batch import Columns
from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@runtime_checkable
class ThroughText(Protocol):
    """A learner whose scores depend on its parameters through text features of its contexts only.

    Per-example gradients then run through the text tower once for all examples, unless it has a `loss` of its own.
    """

    @property
    def common_prefix(self) -> bool:
        """Returns whether all candidates have the same context in front; the recorded forward pass needs this."""
        ...

    def contexts(self, params: State) -> Tensor:
        """Computes the contexts.

        Args:
            params: All parameters by name.

        Returns:
            (N, L, W), or (N, K, L, W) with one per candidate, differentiable in the parameters.
        """
        ...

    def scores_of_texts(self, frozen: Frozen, texts: Tensor, inputs: Columns) -> Tensor:
        """Computes scores from text features.

        Args:
            frozen: The frozen model.
            texts: (N, K, D) normalised text features.
            inputs: Columns of b images.

        Returns:
            Scores (b, K).
        """
        ...


@runtime_checkable
class Factored(Protocol):
    """A learner that trains some parameters through factors, which are drawn for every batch."""

    def leaves(self, params: State, generator: torch.Generator) -> State:
        """Draws the factors.

        Args:
            params: All parameters by name.
            generator: The source of the draws.

        Returns:
            The tensors that gradients are taken by, in the place of the parameters.
        """
        ...

    def at(self, leaves: State, fixed: State, params: State) -> State:
        """Computes the parameters from the factors.

        Args:
            leaves: The tensors that gradients are taken by.
            fixed: The result of `leaves`, without gradient.
            params: The parameters.

        Returns:
            The tensors that `scores` reads, differentiable in the leaves.
        """
        ...

    def combine_gradients(self, leaves: State, gradients: State) -> State:
        """Computes the gradients by the parameters that have factors.

        Args:
            leaves: The tensors that gradients were taken by.
            gradients: Gradients by the leaves.

        Returns:
            Gradients by these parameters, by name.
        """
        ...


@runtime_checkable
class Representing(Protocol):
    """A learner with a representation of images that changes in training; MOON compares such representations."""

    def representation(self, params: State, buffers: State, inputs: Columns, frozen: Frozen) -> Tensor:
        """Computes representations of images.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            inputs: Columns of b images.
            frozen: The frozen model.

        Returns:
            Representations (b, R).
        """
        ...


@runtime_checkable
class Mixing(Protocol):
    """A learner that also uses parameters of other clients, which it reads as the buffer "experts"."""

    @property
    def mixed(self) -> str:
        """Returns the name of the parameter whose values of E other clients it reads, stacked (E, ...)."""
        ...


@runtime_checkable
class WithRows(Protocol):
    """A learner some of whose parameters have one row for each attribute or object."""

    @property
    def rows(self) -> Mapping[str, tuple[str, ...]]:
        """Returns the parts that a parameter has rows for, one part behind the other, by the parameter's name."""
        ...
