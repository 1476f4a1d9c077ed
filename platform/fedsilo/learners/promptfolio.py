"""PromptFolio's learner: class features are a fixed mixture of those of a shared and of a private context.

Source: Pan, Huang, Shi, "Federated Learning from Vision-Language Foundation Models: Theoretical Analysis and Method",
NeurIPS 2024, arXiv:2409.19610. t = (1 - theta) t_G + theta t_L of normalised features, without another normalisation;
an image's pooled feature is scored with t. Both contexts are trained by the one loss of the mixture, as in the released
code.

Dimensions: b images, K classes, L context tokens, W text width, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedsilo.core.batch import IMAGE, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State
from fedsilo.models.prompts.context_learner import ContextLearner

SHARED, PRIVATE = "context", "private_context"


@dataclass(frozen=True)
class PromptFolioLearner(ContextLearner):
    """A shared and a private context, mixed in the space of class features."""

    personal = (PRIVATE,)

    theta: float = key(0.2, "Weight of the private context's features; the paper has 0.2 to 0.4.", within="in [0, 1]")

    def names(self) -> tuple[str, ...]:
        """Names the parameters: both contexts."""
        return (SHARED, PRIVATE)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws both contexts from N(0, 0.02^2), the same start for every client.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The shared and the private context by name, (L, W) each.
        """
        return {SHARED: self.start(frozen, seed), PRIVATE: self.start(frozen, seed, "private context")}

    def contexts(self, params: State) -> Tensor:
        """Stacks the shared and the private context.

        Args:
            params: All parameters by name.

        Returns:
            (2, L, W).
        """
        return torch.stack([params[SHARED], params[PRIVATE]])

    def scores_of_texts(self, frozen: Frozen, texts: Tensor, inputs: Columns) -> Tensor:
        """Scores images by the mixture of both class features.

        A mixed feature is shorter than 1 where the contexts disagree, which lowers that class's scores.

        Args:
            frozen: The frozen model.
            texts: Normalised class features (2, K, D), the shared context's first.
            inputs: Columns of inputs, (b, ...) each.

        Returns:
            Scaled products (b, K).
        """
        return frozen.score(inputs[IMAGE], (1 - self.theta) * texts[0] + self.theta * texts[1])
