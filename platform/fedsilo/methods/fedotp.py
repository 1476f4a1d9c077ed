"""FedOTP: a shared and a private context per client, brought to the patches of an image by optimal transport.

Source: Li, Huang, Wang, Shi, "Global and Local Prompts Cooperation via Optimal Transport for Federated Learning",
CVPR 2024, arXiv:2403.00041. Only the shared context is sent; it is averaged by training examples. Both are trained
together in the local epochs, and all clients begin with the same pair. `prompts` and `shared_prompts` are the released
code's `num_prompt` and `avg_prompt`: of N prompts the first ones are shared, and each takes 1 / N of the moved mass.

Where the released code and this differ: each transport problem converges by itself (there, one test stops all
problems of a batch, so an image's plan depends on its batch mates), transport is computed in fp32 whatever the
features are in, and the optimiser is fresh for every client and round (there, one momentum buffer goes from client to
client).

Dimensions: B images, M patches, N prompts (shared ones first; 2 by default), K classes, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedsilo.contracts import Predictor, State
from fedsilo.fields import key
from fedsilo.learning.prompting import ContextMethod
from fedsilo.prompts.frozen import FrozenModel
from fedsilo.prompts.transport import SOLVERS, VARIANTS, Transport

SHARED, PRIVATE = "context", "private_context"
AS_TRAINED = "as_trained"


@dataclass(frozen=True)
class FedOTP(ContextMethod):
    """A shared and a private context, scored by the transport of patches to both."""

    uploads = (SHARED,)
    learns = (PRIVATE,)
    needs_tokens = True

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
        "'fedsilo' is the former name of sweeps.",
        *SOLVERS,
        "fedsilo",
    )
    evaluation_solver: str = key(
        "as_trained", "The solver in evaluation and prediction, if not that of training.", AS_TRAINED, *SOLVERS
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        lines = super().problems() + self._transport().problems()
        evaluated = self._evaluated()
        if evaluated is not self:
            lines += [f"evaluation_{line}" for line in evaluated._transport().problems()]
        if self.shared_prompts >= self.prompts >= 2:
            lines.append(
                f"shared_prompts: {self.shared_prompts} of {self.prompts} prompts leave no private one. "
                f"Use 1 to {self.prompts - 1}, or raise method.prompts."
            )
        return lines

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns the shared contexts, N(0, 0.02^2)."""
        return {SHARED: self._starts(model, seed, "context", self.shared_prompts)}

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        """Returns the private contexts, the same start for every client."""
        return {PRIVATE: self._starts(model, seed, "private context", self.prompts - self.shared_prompts)}

    def contexts(self, shared: State, private: State) -> Tensor:
        """Returns the shared and the private contexts, stacked."""
        one = 3 if self.class_specific else 2
        parts = shared[SHARED], private[PRIVATE]
        return torch.cat([part if part.dim() > one else part.unsqueeze(0) for part in parts])

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        """Returns the scores of images under both contexts, by the solver of evaluation."""
        method = self._evaluated()
        texts = self.texts(model, self.contexts(shared, private))
        return lambda pooled, tokens: method.scores(model, texts, pooled, tokens)

    def scores(self, model: FrozenModel, texts: Tensor, pooled: Tensor, tokens: Tensor | None) -> Tensor:
        """Returns (B, K): sum of plan times similarity over patches and prompts, (1 - d) / tau up to a shift."""
        assert tokens is not None, "FedOTP declares needs_tokens"
        prompts, classes, _ = texts.shape
        patches = normalize(tokens, dim=-1)
        # One product for all prompts and classes, patches last: the transport then runs along contiguous memory.
        similarity = (texts.flatten(0, 1) @ patches.transpose(1, 2)).view(-1, prompts, classes, patches.shape[1])
        similarity = similarity.permute(0, 2, 3, 1)
        plan = self._transport().plan(similarity)
        return model.scale * (plan * similarity).sum(dim=(-2, -1))

    def _starts(self, model: FrozenModel, seed: int, purpose: str, count: int) -> Tensor:
        """One context as `start` draws it, or `count` different ones, stacked in front."""
        first = self.start(model, seed, purpose)
        more = [self.start(model, seed, f"{purpose} {number}") for number in range(1, count)]
        return torch.stack([first, *more]) if more else first

    def _evaluated(self) -> FedOTP:
        """Returns the method with the solver of evaluation as its only one."""
        if self.evaluation_solver in (AS_TRAINED, self.solver):
            return self
        return replace(self, solver=self.evaluation_solver, evaluation_solver=AS_TRAINED)

    def _transport(self) -> Transport:
        solver = "sweeps" if self.solver == "fedsilo" else self.solver
        return Transport(self.gamma, self.epsilon, self.variant, self.iterations, self.tolerance, solver)
