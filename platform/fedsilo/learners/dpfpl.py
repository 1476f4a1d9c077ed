"""DP-FPL's learner: a shared context, and a private one that is trained by low-rank factors, so that noise hurts less.

In every batch the private context p_L is written as u v + r by one power iteration; gradients are taken by p_G, u and
v, and p_L is stepped along the recombined gradients of u and v.

Source: Tran, Sun, Patterson, Milanova, "Privacy-Preserving Personalized Federated Prompt Learning for Multimodal LLMs",
ICLR 2025, arXiv:2501.13904, algorithm 1 and section 3.3. The sign in `models.prompts.lowrank.recombine` is the paper's,
not its code's.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.models.prompts.additive_learner import FactoredLearner


@dataclass(frozen=True)
class DPFPLLearner(FactoredLearner):
    """The prompt p_G + u v + r, whose value is p_G + p_L for any factors."""

    residual: bool = key(
        True, "Add what the factors lack of the private context; without it only their product is used (ablation)."
    )

    def part_of(self, own: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Selects the part of p_L that enters the prompt.

        Args:
            own: p_L, (L, W).
            u: (L, k) orthonormal columns.
            v: (k, W) orthonormal rows.

        Returns:
            p_L itself; without residual u v, which depends on the draw of the factors.
        """
        return own if self.residual else u @ v
