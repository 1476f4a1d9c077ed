"""Learners whose prompt is a sum: a context that all clients share, and one that each client keeps.

They differ in what of the private context enters the prompt, and in what it is trained by: itself, or two low-rank
factors that are drawn for every batch.

Source: Tran et al., "Privacy-Preserving Personalized Federated Prompt Learning for Multimodal LLMs", ICLR 2025,
arXiv:2501.13904, algorithm 1. It writes two text features, of p_G and of p_L; the authors' code encodes the sum once,
and so does this.

Dimensions: L context tokens, W text width, k rank; a dimension for classes stands in front of L where contexts are
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
        """Returns both contexts."""
        return (SHARED, PRIVATE)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Returns p_G, N(0, 0.02^2) or words, and p_L, N(0, 0.02^2), alike for all clients.

        Words start in p_G only, the sum would have them twice.
        """
        own = replace(self, context_words="")
        return {SHARED: self.start(frozen, seed), PRIVATE: own.start(frozen, seed, "private context")}

    def value(self, own: Tensor) -> Tensor:
        """Returns what of p_L an evaluation adds to p_G: all of it by default."""
        return own

    def contexts(self, params: State) -> Tensor:
        """Returns the sum, (1, L, W)."""
        return (params[SHARED] + self.value(params[PRIVATE])).unsqueeze(0)


@dataclass(frozen=True)
class FactoredLearner(AdditiveLearner):
    """An additive learner that trains p_L by factors u (L, k) and v (k, W), drawn for every batch."""

    rank: int = key(8, "Rank k of the factors that the private context is trained by.", within=">= 1")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        if self.rank <= self.context_length:
            return super().problems()
        return [
            *super().problems(),
            f"rank: {self.rank} is above method.context_length, {self.context_length}; a context has no higher rank. "
            f"Use 1 to {self.context_length}.",
        ]

    @property
    def streams(self) -> int:
        """Returns one more than there are tensors: two factors stand for one."""
        return super().streams + 1

    @abstractmethod
    def part_of(self, own: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Returns what of p_L enters the prompt, (L, W), under factors of it. Its gradient passes through u v only."""

    def leaves(self, params: State, generator: torch.Generator) -> State:
        """Returns p_G and the factors of p_L."""
        u, v = factorise(params[PRIVATE], self.rank, generator)
        return {SHARED: params[SHARED], U: u, V: v}

    def at(self, leaves: State, fixed: State, params: State) -> State:
        """Returns p_G, u and v as they are, and the residual r, what u v lacks of the value, constant."""
        u, v = fixed[U], fixed[V]
        return {**leaves, RESIDUAL: self.part_of(params[PRIVATE], u, v) - u @ v}

    def combine_gradients(self, leaves: State, gradients: State) -> State:
        """Returns the gradient by p_L."""
        return {PRIVATE: recombine(leaves[U], leaves[V], gradients[U], gradients[V])}

    def contexts(self, params: State) -> Tensor:
        """Returns p_G + u v + r in training, and p_G + what of p_L enters the prompt otherwise."""
        if U in params:
            return (params[SHARED] + params[U] @ params[V] + params[RESIDUAL]).unsqueeze(0)
        return super().contexts(params)

    def value(self, own: Tensor) -> Tensor:
        """Returns what of p_L enters the prompt under one fixed draw of the factors, for all clients and rounds."""
        return self.part_of(own, *factorise(own, self.rank, torch_generator(0, "factors of an evaluation")))
