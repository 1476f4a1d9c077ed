"""FedOTP: a shared and a private context per client, brought to the patches of an image by optimal transport.

Source: Li, Huang, Wang, Shi, "Global and Local Prompts Cooperation via Optimal Transport for Federated Learning",
CVPR 2024, arXiv:2403.00041. Only the shared context is sent; it is averaged by training examples. Both are trained
together in the local epochs, and all clients begin with the same pair.

Where the released code and this differ: each transport problem converges by itself (there, one test stops all
problems of a batch, so an image's plan depends on its batch mates), transport is computed in fp32 whatever the
features are in, and the optimiser is fresh for every client and round (there, one momentum buffer goes from client to
client).

Dimensions: B images, M patches, N = 2 prompts (shared, private), K classes, D joint width.
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

    gamma: float = key(0.8, "Mass of the patches that is transported; 1 transports all.", within="in (0, 1]")
    epsilon: float = key(0.1, "Weight of the entropy; the paper has 0.1 (CIFAR-100) and 0.01 (few-shot).", within="> 0")
    variant: str = key(
        "unbalanced", "'unbalanced' caps each patch's mass and moves gamma of it; 'sinkhorn' moves all.", *VARIANTS
    )
    iterations: int = key(100, "Most iterations of the scaling.", within=">= 1")
    tolerance: float = key(0.001, "Relative change of a problem's scaling at which it has converged.", within="> 0")
    solver: str = key(
        "sweeps",
        "How plans are found: the paper's sweeps, their fixed point by Newton's method, or ('sinkhorn' only) by POT.",
        *SOLVERS,
    )
    evaluation_solver: str = key(
        "as_trained", "The solver in evaluation and prediction, if not that of training.", AS_TRAINED, *SOLVERS
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        found = super().problems() + self._transport().problems()
        evaluated = self._evaluated()
        return found if evaluated is self else found + [f"evaluation_{p}" for p in evaluated._transport().problems()]

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        """Returns the shared context, N(0, 0.02^2)."""
        return {SHARED: self.start(model, seed)}

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        """Returns the private context, the same start for every client."""
        return {PRIVATE: self.start(model, seed, "private context")}

    def contexts(self, shared: State, private: State) -> Tensor:
        """Returns the shared and the private context."""
        return torch.stack([shared[SHARED], private[PRIVATE]])

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

    def _evaluated(self) -> FedOTP:
        """Returns the method with the solver of evaluation as its only one."""
        if self.evaluation_solver in (AS_TRAINED, self.solver):
            return self
        return replace(self, solver=self.evaluation_solver, evaluation_solver=AS_TRAINED)

    def _transport(self) -> Transport:
        return Transport(self.gamma, self.epsilon, self.variant, self.iterations, self.tolerance, self.solver)
