"""FedOTP's learner: shared and private contexts, compared with the patches of an image by optimal transport.

Source: Li, Huang, Wang, Shi, "Global and Local Prompts Cooperation via Optimal Transport for Federated Learning", CVPR
2024, arXiv:2403.00041. `prompts` and `shared_prompts` are the released code's `num_prompt` and `avg_prompt`: of N
prompts the first ones are shared, and each takes 1 / N of the moved mass.

Where the released code and this differ: each transport problem converges by itself (there, one test stops all problems
of a batch, so an image's plan depends on the other images of its batch), and transport is computed in fp32 whatever
type the features have.

Dimensions: b images, M patches, N prompts (shared ones first; 2 by default), K classes, L context tokens, W text width,
D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedsilo.core.batch import IMAGE, PATCHES, Columns
from fedsilo.core.config_fields import key
from fedsilo.core.frozen import Frozen
from fedsilo.core.types import State
from fedsilo.models.prompts.context_learner import ContextLearner
from fedsilo.models.prompts.optimal_transport import SOLVERS, VARIANTS, Transport

SHARED, PRIVATE = "context", "private_context"
AS_TRAINED = "as_trained"


@dataclass(frozen=True)
class FedOTPLearner(ContextLearner):
    """Shared and private contexts, scored by the transport of patches to all of them."""

    personal = (PRIVATE,)

    prompts: int = key(2, "Prompts of a client, N: the shared ones, then its private ones.", within=">= 2")
    shared_prompts: int = key(
        1, "Prompts that are sent and averaged; the others stay with their client.", within=">= 1"
    )
    gamma: float = key(0.8, "Mass of the patches that is transported; 1 transports all.", within="in (0, 1]")
    epsilon: float = key(0.1, "Weight of the entropy; the paper has 0.1 (CIFAR-100) and 0.01 (few-shot).", within="> 0")
    variant: str = key(
        "unbalanced", "'unbalanced' caps each patch's mass and moves gamma of it; 'sinkhorn' moves all.", *VARIANTS
    )
    iterations: int = key(100, "Most iterations of the scaling.", within=">= 1")
    tolerance: float = key(
        0.001, "Relative change of a problem's scaling at which it has converged; 0 never stops early.", within=">= 0"
    )
    solver: str = key(
        "sweeps",
        "How plans are found: the paper's sweeps, their fixed point by Newton's method, or ('sinkhorn' only) by POT; "
        "'fedsilo' is the former name of sweeps. Newton takes longer where few sweeps are made: up to a quarter where "
        "they are 5 or so, as at epsilon 0.1, and up to 3 times with gamma just below 1 at epsilon 1.",
        *SOLVERS,
        "fedsilo",
    )
    evaluation_solver: str = key(
        AS_TRAINED, "The solver in evaluation and prediction, if not that of training.", AS_TRAINED, *SOLVERS
    )

    @property
    def reads(self) -> frozenset[str]:
        """Returns the pooled feature and the patch tokens."""
        return frozenset({IMAGE, PATCHES})

    def problems(self) -> list[str]:
        """Lists impossible values of the fields."""
        lines = super().problems() + self._transport(self.solver).problems()
        if self.evaluation_solver != AS_TRAINED:
            lines += [f"evaluation_{line}" for line in self._transport(self.evaluation_solver).problems()]
        if self.shared_prompts >= self.prompts >= 2:
            lines.append(
                f"shared_prompts: {self.shared_prompts} of {self.prompts} prompts leave no private one. "
                f"Use 1 to {self.prompts - 1}, or raise method.prompts."
            )
        return lines

    def names(self) -> tuple[str, ...]:
        """Names the parameters: the shared and the private contexts."""
        return (SHARED, PRIVATE)

    def init(self, frozen: Frozen, seed: int, client: int) -> State:
        """Draws the contexts from N(0, 0.02^2), the same start for every client.

        Args:
            frozen: The frozen model.
            seed: The scenario's seed.
            client: The client's number, from 0.

        Returns:
            The shared and the private contexts by name, (L, W) each, or (n, L, W) for n > 1.
        """
        return {
            SHARED: self._starts(frozen, seed, "context", self.shared_prompts),
            PRIVATE: self._starts(frozen, seed, "private context", self.prompts - self.shared_prompts),
        }

    def contexts(self, params: State) -> Tensor:
        """Stacks the shared and the private contexts.

        Args:
            params: All parameters by name.

        Returns:
            (N, L, W), or (N, K, L, W) class-specific.
        """
        one = 3 if self.class_specific else 2
        parts = params[SHARED], params[PRIVATE]
        return torch.cat([part if part.dim() > one else part.unsqueeze(0) for part in parts])

    def scores(
        self, params: State, buffers: State, inputs: Columns, frozen: Frozen, *, training: bool = False
    ) -> Tensor:
        """Scores images under the contexts; in evaluation with `evaluation_solver` if it is set.

        Args:
            params: All parameters by name.
            buffers: All buffers by name.
            inputs: Columns of inputs, (b, ...) each.
            frozen: The frozen model.
            training: Whether the scores are for a training step.

        Returns:
            Scores (b, K).
        """
        if training or self.evaluation_solver == AS_TRAINED:
            return super().scores(params, buffers, inputs, frozen, training=training)
        evaluated = replace(self, solver=self.evaluation_solver, evaluation_solver=AS_TRAINED)
        return evaluated.scores(params, buffers, inputs, frozen)

    def scores_of_texts(self, frozen: Frozen, texts: Tensor, inputs: Columns) -> Tensor:
        """Scores images by the transport of their patches to the prompts of each class.

        Args:
            frozen: The frozen model.
            texts: Normalised class features (N, K, D).
            inputs: Columns of inputs, (b, ...) each.

        Returns:
            Scores (b, K): sum of plan times similarity over patches and prompts, (1 - d) / tau up to a shift.
        """
        prompts, classes, _ = texts.shape
        patches = normalize(inputs[PATCHES], dim=-1)
        # One product for all prompts and classes, patches last: the transport then runs along contiguous memory.
        similarity = (texts.flatten(0, 1) @ patches.transpose(1, 2)).view(-1, prompts, classes, patches.shape[1])
        similarity = similarity.permute(0, 2, 3, 1)
        plan = self._transport(self.solver).plan(similarity)
        return frozen.scale * (plan * similarity).sum(dim=(-2, -1))

    def _starts(self, frozen: Frozen, seed: int, purpose: str, count: int) -> Tensor:
        """Draws one context by `start`, or `count` different ones, stacked in front."""
        first = self.start(frozen, seed, purpose)
        more = [self.start(frozen, seed, f"{purpose} {number}") for number in range(1, count)]
        return torch.stack([first, *more]) if more else first

    def _transport(self, solver: str) -> Transport:
        solver = "sweeps" if solver == "fedsilo" else solver
        return Transport(self.gamma, self.epsilon, self.variant, self.iterations, self.tolerance, solver)
