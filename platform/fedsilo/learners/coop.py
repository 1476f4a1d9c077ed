"""CoOp: one learned context in front of all class names.

Source: Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022, arXiv:2109.01134.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State
from fedsilo.models.prompts.context_learner import ContextLearner

CONTEXT = "context"


@dataclass(frozen=True)
class CoOpLearner(ContextLearner):
    """One context for all classes, or one for each."""

    def names(self) -> tuple[str, ...]:
        """Names the parameters: the context."""
        return (CONTEXT,)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws the context from N(0, 0.02^2), or starts it from words.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The context by name.
        """
        return {CONTEXT: self.start(frozen, seed)}

    def contexts(self, params: State) -> Tensor:
        """Stacks the one context.

        Args:
            params: All parameters by name.

        Returns:
            (1, L, W), or (1, K, L, W) class-specific.
        """
        return params[CONTEXT].unsqueeze(0)
