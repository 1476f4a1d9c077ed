"""CoOp's context in two parameters, its first vectors and its last ones, so that a strategy can share one of them.

Source: FedPer's form in the comparisons of FedOTP, arXiv:2403.00041: the first half of a context's vectors is shared.

Dimensions: L context tokens, W text width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State
from fedsilo.models.prompts.context_learner import ContextLearner

FIRST, LAST = "context", "private_context"


@dataclass(frozen=True)
class SplitContextLearner(ContextLearner):
    """One context whose first vectors (`context`) and last vectors (`private_context`) are two parameters."""

    shared_fraction: float = key(
        0.5, "Part of the context's vectors, from the first on, in `context`; rounded down.", within="in (0, 1]"
    )

    def problems(self) -> list[str]:
        """Lists impossible values of the fields."""
        nothing = (
            f"shared_fraction: {self.shared_fraction} of {self.context_length} context vectors is less than one. "
            "Share more, or use the method local."
        )
        return super().problems() + ([] if self._first else [nothing])

    def names(self) -> tuple[str, ...]:
        """Names the parameters: both parts."""
        return (FIRST, LAST)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Splits CoOp's start into its first and its last vectors.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            Both parts by name, (l, W) and (L - l, W).
        """
        whole = self.start(frozen, seed)
        return {FIRST: whole[..., : self._first, :].clone(), LAST: whole[..., self._first :, :].clone()}

    def contexts(self, params: State) -> Tensor:
        """Joins both parts.

        Args:
            params: All parameters by name.

        Returns:
            (1, L, W), or (1, K, L, W) class-specific.
        """
        return torch.cat([params[FIRST], params[LAST]], dim=-2).unsqueeze(0)

    @property
    def _first(self) -> int:
        # Nine decimals: a product such as 0.29 * 100 is a little below the number it means.
        return math.floor(round(self.shared_fraction * self.context_length, 9))
