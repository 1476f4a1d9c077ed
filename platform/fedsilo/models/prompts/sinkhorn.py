"""Scaling iterations of entropic optimal transport: many small problems at once, each with the same bits as alone.

Dimensions: N prompts, P problems, M patches; kernels are (N, P, M), so that patches lie next to each other in memory.

Everything is in units of one patch: rows carry 1 (or at most 1), columns carry `column`; the plan is divided by M at
the end. With the kernel Q = exp((S - shift) / epsilon), one sweep from the column scales v is

    u = 1 / (Q v), capped at 1 when rows may stay part empty
    v = column / (Q' u)

Numerics. Each column of S is shifted by its own maximum, and v absorbs the shift: no column of Q can vanish, for any
similarities. The remaining range is the *span* of a problem, the largest (max - min) / epsilon of a column, and it
bounds the scales: u and v stay within exp(+-2 span), up to factors of M and N. Hence fp32 holds all problems up to span
40 and fp64 those up to 300; beyond that the same sweep runs on logarithms. A problem's arithmetic depends on its own
span only. Sums run over contiguous patches or prompt by prompt, never across problems: torch adds in an order that
depends on an element's place when it reduces an outer axis, and another problem of the batch would then change last
bits.

Source: Cuturi, "Sinkhorn Distances", NeurIPS 2013, arXiv:1306.0895; the capped rows are those of FedOTP,
arXiv:2403.00041.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

FP32_SPAN, FP64_SPAN = 40.0, 300.0
BLOCK = 1 << 17
"""Kernel elements per block of problems: its sweeps run inside the processor's cache."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """One kind of problem.

    Attributes:
        epsilon: Entropy weight, > 0, in units of similarity.
        column: Mass of each column in patches: mass * M / N.
        capped: Rows carry at most one patch; otherwise exactly one.
        tolerance: A problem stops when the mean over its prompts of |v / v_before - 1| is below; 0 never stops.
        iterations: Most sweeps, >= 1.
    """

    epsilon: float
    column: float
    capped: bool
    tolerance: float
    iterations: int

    def solve(self, similarity: Tensor) -> Tensor:
        """Solves a batch of problems.

        A problem with nan or infinity in it gets a plan of nan; the others do not change.

        Args:
            similarity: S, (N, P, M) fp32.

        Returns:
            Plans (N, P, M), fp32.
        """
        similarity = similarity.contiguous()
        plans = torch.full_like(similarity, float("nan"))
        span = ((similarity.amax(-1) - similarity.amin(-1)) / self.epsilon).amax(0)
        largest = torch.finfo(span.dtype).max
        self.fill(plans, similarity, span <= FP32_SPAN, torch.float32)
        self.fill(plans, similarity, (span > FP32_SPAN) & (span <= FP64_SPAN), torch.float64)
        self.fill(plans, similarity, (span > FP64_SPAN) & (span <= largest), None)
        return plans

    def fill(self, plans: Tensor, similarity: Tensor, chosen: Tensor, dtype: torch.dtype | None) -> None:
        """Solves the chosen problems and writes their plans.

        Args:
            plans: (N, P, M), written at the chosen problems.
            similarity: S, (N, P, M) fp32.
            chosen: (P,) bool.
            dtype: Type of the computation; None: fp64 on logarithms.
        """
        prompts, _, patches = similarity.shape
        places = chosen.nonzero()[:, 0]
        if not len(places):
            return
        for block in torch.split(places, max(1, BLOCK // (prompts * patches))):
            part = similarity.index_select(1, block).to(dtype or torch.float64)
            top = part.amax(-1)
            kernel, start = part.sub_(top[:, :, None]).div_(self.epsilon), self._start(top) + log(patches)
            if dtype is None:
                found = self._settle(kernel, start, self._log_sweep, _log_change)
                plan = self._log_plan(kernel, found)
            else:
                kernel = kernel.exp_()
                found = self._settle(kernel, start.exp_(), self._sweep, _change)
                plan = self._plan(kernel, found)
            plans[:, block] = plan.div_(patches).to(plans.dtype)

    def _start(self, top: Tensor) -> Tensor:
        """Returns log v (N, P) at the published start: v = 1 for the kernel exp(-(1 - S) / epsilon).

        Capped rows depend on the scale of v, so it is kept, even where it underflows to 0: the first u is then 1, as it
        is for the true value. Exact rows cancel a common factor, which is removed. Similarities above 1 are no cosines;
        their start is cut to the one of 1, because the true one may overflow.
        """
        best = 1.0 if self.capped else top.amax(0)
        return top.sub(best).div_(self.epsilon).clamp_(max=0)

    def _settle(
        self,
        kernel: Tensor,
        scales: Tensor,
        sweep: Callable[[Tensor, Tensor], Tensor],
        change: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """Returns the column scales (N, P) from which each problem makes its last sweep.

        A converged problem keeps the scales it had before its last sweep. Repeating that sweep gives the same bits, so
        it makes no difference when the converged ones are dropped; they are dropped once they are half of those at
        work.
        """
        final = scales.clone()
        active = torch.arange(scales.shape[1], device=scales.device)
        for _ in range(self.iterations - 1):
            after = sweep(kernel, scales)
            moving = change(after, scales) >= self.tolerance
            scales = torch.where(moving, after, scales)
            count = int(moving.sum())
            if 2 * count <= len(active):
                final[:, active] = scales
                if not count:
                    return final
                keep = moving.nonzero()[:, 0]
                kernel, scales, active = kernel.index_select(1, keep), scales[:, keep], active[keep]
        final[:, active] = scales
        return final

    def _rows(self, kernel: Tensor, scales: Tensor) -> Tensor:
        """Returns u (P, M)."""
        carried = kernel[0] * scales[0, :, None]
        for column, scale in zip(kernel[1:], scales[1:], strict=True):
            carried.addcmul_(column, scale[:, None])
        return (carried.clamp_(min=1) if self.capped else carried).reciprocal_()

    def _sweep(self, kernel: Tensor, scales: Tensor) -> Tensor:
        return self.column / (kernel * self._rows(kernel, scales)).sum(-1)

    def _plan(self, kernel: Tensor, scales: Tensor) -> Tensor:
        filled = kernel * self._rows(kernel, scales)
        return filled.mul_((self.column / filled.sum(-1))[:, :, None])

    def _log_rows(self, kernel: Tensor, scales: Tensor) -> Tensor:
        """Returns log u (P, M)."""
        terms = (kernel + scales[:, :, None]).unbind(0)
        top = torch.stack(terms).amax(0)
        carried = torch.zeros_like(top)
        for term in terms:
            carried += (term - top).exp_()
        rows = -(carried.log_() + top)
        return rows.clamp_(max=0) if self.capped else rows

    def _log_sweep(self, kernel: Tensor, scales: Tensor) -> Tensor:
        return log(self.column) - (kernel + self._log_rows(kernel, scales)).logsumexp(-1)

    def _log_plan(self, kernel: Tensor, scales: Tensor) -> Tensor:
        filled = kernel + self._log_rows(kernel, scales)
        return filled.add_((log(self.column) - filled.logsumexp(-1))[:, :, None]).exp_()


def _change(after: Tensor, before: Tensor) -> Tensor:
    return _over_prompts((after / before).sub_(1))


def _log_change(after: Tensor, before: Tensor) -> Tensor:
    return _over_prompts((after - before).expm1_())


def _over_prompts(change: Tensor) -> Tensor:
    """Returns the mean size (P,) of changes (N, P), added prompt by prompt."""
    total = torch.zeros_like(change[0])
    for prompt in change.abs_():
        total += prompt
    return total / len(change)
