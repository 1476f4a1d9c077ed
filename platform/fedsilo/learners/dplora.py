"""DP-LoRA's learner: a shared context plus the low-rank part of a private one, no residual.

With both factors orthonormal, as in the authors' code, the product has the norm sqrt(k), far above that of a context,
and depends on a random draw. Here the prompt has u (u^T p_L), the best approximation of p_L in the directions u; the
row factor is then u^T p_L, of p_L's own scale. Its rows span what the orthonormal v spans, so the same moves are
possible, and gradients are taken by the orthonormal u and v: equation (4) is a projection for these only.

Source: the baseline of Tran et al., ICLR 2025, arXiv:2501.13904, after Hu et al., "LoRA", arXiv:2106.09685.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedsilo.core.config_fields import key
from fedsilo.models.prompts.additive_learner import FactoredLearner


@dataclass(frozen=True)
class DPLoRALearner(FactoredLearner):
    """The prompt p_G + u u^T p_L."""

    code_compat: bool = key(
        False, "Use the product of orthonormal factors, of norm sqrt(rank), as the authors' code does."
    )

    def part_of(self, own: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Projects p_L onto the columns of u.

        Args:
            own: p_L, (L, W).
            u: (L, k) orthonormal columns.
            v: (k, W) orthonormal rows.

        Returns:
            u (u^T p_L); with `code_compat` the bare product u v.
        """
        return u @ v if self.code_compat else u @ (u.mT @ own)
