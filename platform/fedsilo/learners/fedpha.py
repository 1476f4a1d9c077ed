"""FedPHA's learner: a private context of any length learns beside a shared one, apart from it but in its row space.

Source: Fang et al., "FedPHA: Federated Prompt Learning for Heterogeneous Client Adaptation", ICML 2025 (PMLR 267). The
loss has four terms, equally weighted as in the released code:

    CE(t_l) + CE(t_g) + MSE(t_l, t_p) + mean_k relu(margin - ||t_l,k - t_g,k||)

with the class features t_l of the private context, t_g of the shared one and t_p of the private one's projection onto
the shared one's trailing right-singular vectors. A reduced SVD has no more of these than the context has vectors, so
the projection lies in the shared context's row space and is not the null space's that the paper speaks of; this is the
code's reading. Predictions come from the private context alone. CE is the task's loss.

Where the released code and this differ: the projection is held fixed within a step. There a gradient runs through the
SVD, which is not bounded where a singular value vanishes: a word that stands twice in `context_words` is enough.
`gradient_through_svd: true` is the released code's.

Dimensions: K classes, L shared and l private context tokens, W text width, D joint width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, relu

from fedsilo.core.batch import IMAGE, Batch, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.task import Task
from fedsilo.core.types import State
from fedsilo.models.prompts.context_learner import PromptLearner

SHARED, PRIVATE = "context", "private_context"


@dataclass(frozen=True)
class FedPHALearner(PromptLearner):
    """A shared context and a private one of any length, which alone predicts."""

    separable = True
    personal = (PRIVATE,)

    private_lengths: tuple[int, ...] = key(
        (),
        "Vectors of private contexts, over the clients in turn: [8] or [4, 16]; empty: context_length for all.",
        within=">= 1",
    )
    ratio: float = key(0.8, "Part of the singular vectors, the last ones, that is projected onto.", within="in (0, 1]")
    gradient_through_svd: bool = key(
        False, "Let a gradient run to the shared context through its singular vectors, as in the released code."
    )
    margin: float = key(1.0, "Distance up to which private and shared class features are pushed apart.", within=">= 0")

    def names(self) -> tuple[str, ...]:
        """Names the parameters: both contexts."""
        return (SHARED, PRIVATE)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws both contexts from N(0, 0.02^2); the private one is the same for clients with the same length.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The shared context (L, W) and the private one (l, W) by name.
        """
        lengths = self.private_lengths or (self.context_length,)
        sized = replace(self, context_length=lengths[client % len(lengths)])
        return {SHARED: self.start(frozen, seed), PRIVATE: sized.start(frozen, seed, "private context")}

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        """Computes the sum of the four terms.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            batch: The examples (b, ...).
            frozen: The frozen model.
            task: The task.

        Returns:
            The mean loss, shape ().
        """
        shared, private = params[SHARED], params[PRIVATE]
        common = self.text(frozen, shared)
        both = self.texts(frozen, torch.stack([private, self.project(private, shared)]))
        own, projected = both[0], both[1]

        def fit(text: Tensor) -> Tensor:
            return task.loss(frozen.score(batch.inputs[IMAGE], text), batch.targets, frozen.candidates)

        fitted = fit(own) + fit(common)
        apart = relu(self.margin - (own - common).norm(dim=-1)).mean()
        return fitted + mse_loss(own, projected) + apart

    def project(self, private: Tensor, shared: Tensor) -> Tensor:
        """Projects the private context onto the shared one's trailing right-singular vectors.

        Args:
            private: (l, W), or (K, l, W) class-specific: each class is projected by itself.
            shared: (L, W) or (K, L, W); a gradient runs back to it only under `gradient_through_svd`.

        Returns:
            The projection, of the private context's shape.
        """
        basis = shared if self.gradient_through_svd else shared.detach()
        directions = torch.linalg.svd(basis, full_matrices=False).Vh
        # Nine decimals: 5 * (1 - 0.8) is a little below the 1 it means.
        dropped = math.floor(round((1 - self.ratio) * directions.shape[-2], 9))
        kept: Tensor = directions[..., dropped:, :]
        return private @ kept.transpose(-2, -1) @ kept

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Scores images under the private context.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            training: Whether the scores are for a training step.

        Returns:
            Scaled cosines (b, K).
        """
        return frozen.score(inputs[IMAGE], self.text(frozen, params[PRIVATE]))
