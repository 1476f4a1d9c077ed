"""Learners whose prompt is a sum: a context that all clients share, and one that each client keeps.

They differ in which part of the private context enters the prompt, and in the parameters that it is trained by: itself,
or two low-rank factors that are drawn for every batch.

Source: Tran et al., "Privacy-Preserving Personalized Federated Prompt Learning for Multimodal LLMs", ICLR 2025,
arXiv:2501.13904, algorithm 1. It writes two text features, of p_G and of p_L; the authors' code encodes the sum once,
and so does this.

Dimensions: L context tokens, W text width, k rank; a dimension K for classes stands in front of L where contexts are
class-specific.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.seeds import torch_generator
from fedsilo.core.types import State
from fedsilo.models.prompts.context_learner import ContextLearner
from fedsilo.models.prompts.lowrank import factorise, recombine

SHARED, PRIVATE = "context", "private_context"
U, V, RESIDUAL = "u", "v", "residual"


@dataclass(frozen=True)
class AdditiveLearner(ContextLearner):
    """The prompt p_G + p_L: p_G (`context`) may be shared, p_L (`private_context`) stays with its client."""

    personal = (PRIVATE,)

    def names(self) -> tuple[str, ...]:
        """Names the parameters: both contexts."""
        return (SHARED, PRIVATE)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws p_G and p_L from N(0, 0.02^2), the same for all clients; p_G may start from words.

        Words start in p_G only, because the sum would contain them twice.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            p_G and p_L by name, (L, W) each.
        """
        own = replace(self, context_words="")
        return {SHARED: self.start(frozen, seed), PRIVATE: own.start(frozen, seed, "private context")}

    def value(self, own: Tensor) -> Tensor:
        """Selects the part of p_L that an evaluation adds to p_G: all of it by default.

        Args:
            own: p_L, (L, W).

        Returns:
            (L, W).
        """
        return own

    def contexts(self, params: State) -> Tensor:
        """Adds the contexts.

        Args:
            params: All parameters by name.

        Returns:
            (1, L, W).
        """
        return (params[SHARED] + self.value(params[PRIVATE])).unsqueeze(0)


@dataclass(frozen=True)
class FactoredLearner(AdditiveLearner):
    """An additive learner that trains p_L by factors u (L, k) and v (k, W), drawn for every batch."""

    rank: int = key(8, "Rank k of the factors that the private context is trained by.", within=">= 1")

    def problems(self) -> list[str]:
        """Lists impossible values of the fields."""
        if self.rank <= self.context_length:
            return super().problems()
        return [
            *super().problems(),
            f"rank: {self.rank} is above method.context_length, {self.context_length}; a context has no higher rank. "
            f"Use 1 to {self.context_length}.",
        ]

    @property
    def streams(self) -> int:
        """Returns one more than the number of tensors: two factors replace one tensor."""
        return super().streams + 1

    @abstractmethod
    def part_of(self, own: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Selects the part of p_L that enters the prompt; its gradient passes through u v only.

        Args:
            own: p_L, (L, W).
            u: (L, k) orthonormal columns.
            v: (k, W) orthonormal rows.

        Returns:
            (L, W).
        """

    def leaves(self, params: State, generator: torch.Generator) -> State:
        """Draws the factors of p_L.

        Args:
            params: All parameters by name.
            generator: Source of the draw, on the CPU.

        Returns:
            p_G, u (L, k) and v (k, W) by name.
        """
        u, v = factorise(params[PRIVATE], self.rank, generator)
        return {SHARED: params[SHARED], U: u, V: v}

    def at(self, leaves: State, fixed: State, params: State) -> State:
        """Adds the residual r, the constant difference between the value of p_L in the prompt and u v.

        Args:
            leaves: p_G, u and v by name.
            fixed: The same tensors without gradient.
            params: All parameters by name.

        Returns:
            p_G, u, v and r by name.
        """
        u, v = fixed[U], fixed[V]
        return {**leaves, RESIDUAL: self.part_of(params[PRIVATE], u, v) - u @ v}

    def combine_gradients(self, leaves: State, gradients: State) -> State:
        """Computes the gradient by p_L from those by its factors.

        Args:
            leaves: p_G, u and v by name.
            gradients: Gradients by leaf.

        Returns:
            The gradient by p_L, by name.
        """
        return {PRIVATE: recombine(leaves[U], leaves[V], gradients[U], gradients[V])}

    def contexts(self, params: State) -> Tensor:
        """Adds the contexts: p_G + u v + r in training, p_G plus the part of p_L in evaluation.

        Args:
            params: All parameters by name.

        Returns:
            (1, L, W).
        """
        if U in params:
            return (params[SHARED] + params[U] @ params[V] + params[RESIDUAL]).unsqueeze(0)
        return super().contexts(params)

    def value(self, own: Tensor) -> Tensor:
        """Selects the part of p_L that an evaluation adds to p_G, under one fixed draw of factors for all clients and
        rounds.

        Args:
            own: p_L, (L, W).

        Returns:
            (L, W).
        """
        return self.part_of(own, *factorise(own, self.rank, torch_generator(0, "factors of an evaluation")))
