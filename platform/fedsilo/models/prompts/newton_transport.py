"""Newton's method for entropic optimal transport: the fixed point of the sweeps in `scaling.py`, in a few steps.

Dimensions: N prompts, P problems, M patches; arrays are (N, P, M), as in `scaling.py`, and in units of one patch.

The unknowns are the N column scales v. With the kernel Q, the rows' totals R = Q v and u = 1 / R, capped at 1 where
rows may stay part empty, the plan is T = u Q v. The column sums of T minus `column` are the gradient, by log v, of a
convex function (the dual problem), whose second derivative is

    H = diag(free) + laplacian(W),   free_n = sum of T_n over rows with R < 1,   W_nj = sum of T_n T_j over other rows,

so a step is an N x N system that is solved without a subtraction (Grassmann, Taksar and Heyman, Operations Research
1985): exact too where `free` is almost 0. With exact rows `free` is 0 and a common factor of v means nothing: the first
scale is kept. With exact rows in name only (gamma 1), a plan with capped rows is the same plan.

Two safeguards make it converge from any start. Caps make the total mass piecewise linear in a common factor of v, with
as many corners as patches; so before each step the common factor is found by a bracketed search of its own, which reads
R only. And a step that goes too far past the minimum along its direction is shortened: the function is convex, so the
derivative along the direction tells. Each problem has its own steps; which others are in the batch changes no bit.

At the solution all scales, relative to a kept one with exact rows, are within exp(+-span) up to factors of M and N (for
the span see `scaling.py`). Hence fp32 serves to span 40 and fp64 to 600; beyond that the sweeps run on logarithms.

Two prompts or more go through `plainnewton.py` first, faster and without safeguards; what it leaves comes here.
What is not solved in fp32 after STEPS steps is searched in fp64, and what is not solved there gets patient sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log

import torch
from torch import Tensor

from fedsilo.models.prompts.column_scale import below_cap, carried_below, common_factor, misses
from fedsilo.models.prompts.plain_newton import SPAN, PlainNewton
from fedsilo.models.prompts.sinkhorn import BLOCK as SWEEPS_BLOCK
from fedsilo.models.prompts.sinkhorn import FP32_SPAN, Scaling
from fedsilo.models.prompts.stable_elimination import solve_without_subtraction

FP64_SPAN = 600.0
BLOCK = 2 * SWEEPS_BLOCK
STEPS = 200
"""Most steps; usual problems take 2 to 6, constructed ones some dozens."""
_PATIENT_TOLERANCE, _PATIENT_SWEEPS = 1e-7, 2000
"""The sweeps, in fp64, that a problem gets which is not solved after STEPS steps, in fp64 too."""
_EXACT = 2e-6
"""Error of a column's mass, in patches, at which a problem is solved."""
_NEAR, _NEARER = 0.3, 0.8
"""How near the common factor is brought before the first step, and how much nearer before each other one."""
_WIDE = 0.2
"""Step, of a scale's logarithm, after which the common factor is looked at."""
_START_AT_MEAN = 0.5
"""Mass per patch from which a search starts at the solution of first order in 1 / epsilon."""


@dataclass(frozen=True, slots=True)
class Newton:
    """One kind of problem.

    Attributes:
        sweeps: The iteration whose fixed point is wanted; its tolerance and count of sweeps do not matter here.
    """

    sweeps: Scaling

    def solve(self, similarity: Tensor) -> Tensor:
        """Returns the plans (N, P, M), fp32, for fp32 similarities (N, P, M).

        A problem with nan or infinity in it gets a plan of nan; the others are not touched by it.
        """
        similarity = similarity.contiguous()
        plans = torch.empty_like(similarity)
        left = self._fill_plainly(plans, similarity)
        if not len(left):
            return plans
        span = self._spans(similarity.index_select(1, left))
        narrow, known, finite = span <= FP32_SPAN, span <= FP64_SPAN, span <= torch.finfo(span.dtype).max
        hard = self._fill(plans, similarity, left[narrow], torch.float32)
        hard = self._fill(plans, similarity, torch.cat([hard, left[known & ~narrow]]).sort().values, torch.float64)
        patient = replace(self.sweeps, tolerance=_PATIENT_TOLERANCE, iterations=_PATIENT_SWEEPS)
        for sweeps, places in ((patient, hard), (self.sweeps, left[finite & ~known])):
            if len(places):
                chosen = torch.zeros(similarity.shape[1], dtype=torch.bool, device=similarity.device)
                chosen[places] = True
                sweeps.fill(plans, similarity, chosen, None)
        plans[:, left[~finite]] = float("nan")
        return plans

    def _fill_plainly(self, plans: Tensor, similarity: Tensor) -> Tensor:
        """Writes the plans of problems that need no safeguard; returns the numbers of the others, ascending."""
        prompts, count, patches = similarity.shape
        every = torch.arange(count, device=similarity.device)
        if prompts == 1 or not similarity.numel():
            return every
        mass = min(self.sweeps.column * prompts, patches) if self.sweeps.capped else patches
        plain = PlainNewton(self.sweeps.epsilon, mass)
        lowest, highest = torch.aminmax(similarity)
        if (highest - lowest) / self.sweeps.epsilon <= SPAN:  # then so is the span of each, in this arithmetic too
            return plain.fill(plans, similarity, every)
        fits = self._spans(similarity) <= SPAN
        left = plain.fill(plans, similarity, every[fits])
        return torch.cat([left, every[~fits]]).sort().values

    def _spans(self, similarity: Tensor) -> Tensor:
        """Returns the largest (max - min) / epsilon (P,) of a problem's columns."""
        return ((similarity.amax(-1) - similarity.amin(-1)) / self.sweeps.epsilon).amax(0)

    def _fill(self, plans: Tensor, similarity: Tensor, places: Tensor, dtype: torch.dtype) -> Tensor:
        """Writes the plans of the problems at these places, ascending; returns the places of those not solved."""
        prompts, count, patches = similarity.shape
        left, whole = [places[:0]], len(places) == count
        for numbers in torch.split(places, max(1, BLOCK // (prompts * patches))) if len(places) else ():
            where = slice(int(numbers[0]), int(numbers[-1]) + 1) if whole else numbers
            block = similarity[:, where].to(dtype)
            top = block.amax(-1)
            span = (top - block.amin(-1)).div_(self.sweeps.epsilon).amax(0)
            work = block.new_empty((4, *block.shape))
            torch.sub(block, top[:, :, None], out=work[0]).div_(self.sweeps.epsilon)
            found, moving = _Search(self.sweeps, work, span).run()
            plans[:, where] = found.div_(patches).to(plans.dtype)
            left.append(numbers[moving])
        return torch.cat(left)


class _Search:
    """The steps of one block of problems, from logarithms of kernels (N, P, M) to plans in units of one patch.

    Problems that are solved keep their scales; they are dropped once they are half of those at work.
    """

    def __init__(self, sweeps: Scaling, work: Tensor, span: Tensor) -> None:
        logs, self._plan, self._spare, self._found = work
        self._rows = torch.empty_like(logs[0].expand(3, -1, -1))
        prompts, _, self._patches = logs.shape
        self._column, self._mass = sweeps.column, sweeps.column * prompts
        self._capped = sweeps.capped and self._mass < self._patches
        self._grain = torch.finfo(logs.dtype).eps
        # A third is rounded, and 576 times its error is more than _EXACT. With exact rows nothing makes up for it.
        self._share = float(logs.new_tensor(self._column / self._patches))
        self._rest = 0.0 if self._capped else self._column - self._share * self._patches
        self._reach = span + log(self._patches / self._column) + 1
        at_mean = logs.mean(-1).neg_() if self._mass >= _START_AT_MEAN * self._patches else None
        self._kernel = logs.exp_()
        if at_mean is None:
            self._scales = self._column / self._kernel.sum(-1)
        else:
            self._scales = (at_mean - at_mean[0]).exp_()
            if self._capped:
                self._scales *= self._mass / _over_prompts(self._scales * self._kernel.sum(-1))
        self._near, self._any_wide = _NEAR, True
        self._wide = torch.ones(len(span), dtype=torch.bool, device=span.device)
        self._moving = self._wide.clone()
        self._active = torch.arange(len(span), device=span.device)
        self._base, self._step = self._scales, torch.zeros_like(self._scales)
        self._slope, self._length = torch.zeros_like(span), torch.ones_like(span)
        self._allowed = torch.full_like(self._scales, _EXACT)

    def run(self) -> tuple[Tensor, Tensor]:
        """Returns the plans (N, P, M), and the numbers of the problems that need more than STEPS steps."""
        for number in range(STEPS):
            below = self._transport(check_all=number % 4 == 0)
            excess = torch.sub(self._plan, self._share, out=self._spare).sum(-1).sub_(self._rest)
            self._moving &= (excess.abs() > self._allowed).any(0)
            if 2 * int(self._moving.sum()) <= len(self._moving):
                excess, below = self._drop(excess, below)
                if not len(self._active):
                    return self._found, self._active
            self._advance(excess, self._newton(excess, below))
            self._near *= _NEARER
        moving = self._active[self._moving]
        self._moving.zero_()
        self._drop(excess, below)
        return self._found, moving

    def _transport(self, *, check_all: bool) -> Tensor | None:
        """Puts the plan into its buffer; returns 1 for rows below their cap.

        The common factor is adjusted first, of problems whose last step was wide, or of all.
        """
        below, total = None, self._total()
        if self._capped:
            if (check_all or self._any_wide) and self._adjust(total, check_all):
                total = self._total()  # not the old ones times the factor: the next look at these scales has these bits
            below = below_cap(total, self._rows[1])
            total.clamp_(min=1)
        torch.mul(self._kernel, self._scales[:, :, None], out=self._plan).mul_(total.reciprocal_())
        return below

    def _total(self) -> Tensor:
        """Returns the rows' totals (P, M), in a buffer, summed prompt by prompt."""
        total = torch.mul(self._kernel[0], self._scales[0, :, None], out=self._rows[0])
        for column, scale in zip(self._kernel[1:], self._scales[1:], strict=True):
            total.addcmul_(column, scale[:, None])
        return total

    def _adjust(self, total: Tensor, check_all: bool) -> bool:
        """Multiplies scales by a common factor where the total mass is far off; returns whether there were any."""
        count, mass = carried_below(total, None, self._rows[1:])
        far = misses(count, mass, self._mass, self._near, self._patches)
        far = far & self._moving & (self._wide | check_all)
        where = far.nonzero()[:, 0]
        if not len(where):
            return False
        factor = torch.ones_like(mass)
        factor[where] = common_factor(total.index_select(0, where), self._mass, self._near, self._rows[1:])
        self._scales = self._scales * factor
        return True

    def _drop(self, excess: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Keeps the plans of all problems and goes on with those that move; the last half step is the columns'."""
        factor = (self._column / (excess + self._column))[:, :, None]
        if len(self._active) == self._found.shape[1]:
            torch.mul(self._plan, factor, out=self._found)
        else:
            self._found[:, self._active] = self._plan * factor
        keep = self._moving.nonzero()[:, 0]
        self._active = self._active[keep]
        self._kernel, self._plan = self._kernel.index_select(1, keep), self._plan.index_select(1, keep)
        self._spare, self._rows = torch.empty_like(self._plan), self._rows[:, : len(keep)]
        self._scales, self._base, self._step = self._scales[:, keep], self._base[:, keep], self._step[:, keep]
        self._slope, self._length, self._reach = self._slope[keep], self._length[keep], self._reach[keep]
        self._allowed, self._wide = self._allowed[:, keep], self._wide[keep]
        self._moving = self._moving[keep]
        return excess[:, keep], None if below is None else below.index_select(0, keep)

    def _advance(self, excess: Tensor, step: Tensor) -> None:
        """Makes the step, or a shorter one of the last where that went too far past the minimum along it."""
        size = step.abs().amax(0)
        self._wide = size > _WIDE
        self._any_wide = bool(self._wide.any())
        if self._any_wide:
            step *= (self._reach / size.clamp_(min=1e-30)).clamp_(max=1)
        along = _over_prompts(excess * self._step)
        passed = along > 0.5 * self._slope
        slope = _over_prompts(excess * step).neg_()
        length = torch.ones_like(slope)
        if bool(passed.any()):
            self._any_wide, self._wide = True, self._wide | passed
            shorter = self._length * (self._slope / (self._slope + along)).clamp_(0.1, 0.7)
            step, length = torch.where(passed, self._step, step), torch.where(passed, shorter, length)
            slope, base = torch.where(passed, self._slope, slope), torch.where(passed, self._base, self._scales)
        else:
            base = self._scales
        self._step, self._length, self._slope, self._base = step, length, slope, base
        high = self._reach.exp()
        moved = torch.minimum(torch.maximum(base * (step * length).exp_(), high.reciprocal()), high)
        self._scales = torch.where(self._moving, moved, self._scales)

    def _newton(self, excess: Tensor, below: Tensor | None) -> Tensor:
        """Returns the step (N, P) of the logarithms of the scales."""
        full, free = self._plan, [torch.zeros_like(excess[0])] * len(excess)
        if below is not None:
            part = torch.mul(self._plan, below, out=self._spare)
            free = list(part.sum(-1))
            full = torch.sub(self._plan, part, out=part)
        links = {
            (n, j): torch.mul(full[n], full[j], out=self._rows[2]).sum(-1) for n in range(len(full)) for j in range(n)
        }
        diagonal = [
            sum((links[max(n, j), min(n, j)] for j in range(len(full)) if j != n), free[n]) for n in range(len(full))
        ]
        self._allowed = torch.stack(diagonal).mul_(2 * self._grain).add_(_EXACT)  # the scales cannot do better
        return solve_without_subtraction(links, free, list(-excess), self._capped)


def _over_prompts(terms: Tensor) -> Tensor:
    """Returns the sum (P,) of terms (N, P), prompt by prompt, in an order that P does not change."""
    total = terms[0].clone()
    for term in terms[1:]:
        total += term
    return total
