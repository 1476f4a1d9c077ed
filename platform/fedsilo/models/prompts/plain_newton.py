"""Newton's method for transport to two prompts or more: few passes over the data per step, no safeguard.

Dimensions: N prompts, P problems, M patches; arrays are (N, P, M), fp32, and in units of one patch, as in `newton.py`.

With the kernels k and the scales v, a row's total is R = sum of v k. It carries c = min(R, 1), or 1 where all rows are
full; prompt n gets T_n = c v_n k_n / R, and the last one what the others leave. The columns are right where the sum of
T_n is mass / N for all prompts but one, and the sum of 1 - c is M less the mass. Capped rows add exact zeros to that
sum: it stays exact where almost all rows are capped. Then a step solves the N x N system of `newton.py`.

The start takes log(sum of k) of a problem for normally distributed, with its own mean and deviation: then the common
factor that gives the mass is a function of the deviation, which is tabled. Where less than one patch stays empty,
a start that fills every row is replaced by the factor with which the emptiest row alone leaves all of that, never above
the right one: from below, steps arrive. From there 1 to 5 steps are usual. A problem that is not
solved after STEPS steps is left to the search of `newton.py`.

Against the sweeps at their default tolerance this takes longer where they stop early: up to a quarter where they need 3
to 9 (gamma 0.1 or 0.8 at epsilon 0.1, gamma 0.1 at epsilon 0.01; mostly 3 or 4 prompts, or 196 patches and more), and
1.1 to 3 times as long with gamma 0.9999 at epsilon 1, where they stop after 2 or 3. In
processor time: `python benchmarks/methods.py --only transport --repetitions 7`.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, sqrt

import torch
from torch import Tensor

from fedsilo.models.prompts.stable_elimination import solve_without_subtraction

STEPS = 10
"""Most steps of a problem."""
SPAN = 70.0
"""Largest (max - min) / epsilon of a column: exponentials of it, and sums of them, are numbers of fp32."""
EXACT = 2e-6
"""Error of a column's mass, in patches, at which a problem is solved."""
BLOCK = 1 << 18
"""Elements of one kernel per block: with few patches, calls of torch take longer than the arithmetic in them."""
_GRAIN = torch.finfo(torch.float32).eps
_GRID = 2**-10
_FACTORS = 0.3, 3.0
"""The smallest and the largest factor of a scale in one step."""
_WIDEST, _PARTS = 16.0, 32
"""The table of starts: largest deviation, and entries per unit of it."""


class PlainNewton:
    """One kind of problem.

    Args:
        epsilon: Entropy weight, > 0, in units of similarity.
        mass: Mass of a problem in patches, in (0, M]; each column gets the same part. M means that all rows are full.
    """

    def __init__(self, epsilon: float, mass: float) -> None:
        self._epsilon, self._mass = epsilon, mass

    def fill(self, plans: Tensor, similarity: Tensor, places: Tensor) -> Tensor:
        """Writes plans, with a patch's mass as 1 / M, and returns which problems are not solved.

        Args:
            plans: (N, P, M) fp32, N >= 2, written at `places`.
            similarity: (N, P, M) fp32, contiguous; finite and of span up to SPAN at `places`.
            places: Numbers of the problems, ascending.

        Returns:
            Numbers of the problems whose plan is not right.
        """
        prompts, count, patches = similarity.shape
        size = max(1, BLOCK // patches)
        work = similarity.new_empty((3 * prompts, min(size, len(places)), patches))
        left, whole = [places[:0]], len(places) == count
        for start in range(0, len(places), size):
            numbers = places[start : start + size]
            where = slice(start, start + len(numbers)) if whole else numbers
            block = similarity[:, where] if whole else similarity.index_select(1, numbers)
            problems = _Problems(block, self._epsilon, self._mass, work[:, : len(numbers)])
            left.append(problems.solve(plans, numbers, where))
        return torch.cat(left)


class _Problems:
    """A block of problems. Solved ones keep their scales; they are dropped once they are half of those at work."""

    def __init__(self, block: Tensor, epsilon: float, mass: float, work: Tensor) -> None:
        prompts, _, self._patches = block.shape
        self._mass, self._column, self._room = mass, mass / prompts, self._patches - mass
        self._capped = self._room > 0
        self._kernel, self._plan = work[:prompts], work[prompts : 2 * prompts - 1]
        self._carried, self._rows, self._spare = work[-prompts - 1], work[-prompts], work[1 - prompts :]
        torch.sub(block, block.mean(-1)[:, :, None], out=self._kernel).mul_(1 / epsilon).exp_()
        self._scales = self._start().expand(prompts, -1) if self._capped else torch.ones_like(self._kernel[..., 0])

    def solve(self, plans: Tensor, numbers: Tensor, where: Tensor | slice) -> Tensor:
        """Writes the plans of all problems to their places; returns the numbers of those that need more steps."""
        moving, allowed = torch.ones_like(numbers, dtype=torch.bool), torch.tensor(EXACT, device=numbers.device)
        for step in range(STEPS + 1):
            excess = self._transport()
            moving &= (excess.abs() <= allowed).all(0).logical_not_()  # nan is not solved
            stay = moving.nonzero()[:, 0]
            if 2 * len(stay) <= len(numbers) or step == STEPS:
                self._write(plans, where, excess[:-1])
                where = numbers = numbers[stay]
                if not len(stay):
                    break
                self._keep(stay)
                excess, moving = excess[:, stay], moving[stay]
            factor, allowed = self._step(excess)
            self._scales = torch.where(moving, self._scales * factor, self._scales)
        return numbers

    def _start(self) -> Tensor:
        """Returns the scale (P,) that all prompts begin with."""
        rows = torch.add(self._kernel[0], self._kernel[1], out=self._rows)
        for kernel in self._kernel[2:]:
            rows.add_(kernel)
        lowest = rows.amin(-1) if self._room < 1 else None
        mean = rows.log_().mean(-1)
        square = torch.linalg.vector_norm(rows, dim=-1).square_().div_(self._patches)
        place = square.sub_(mean.square()).clamp_(min=0).sqrt_().mul_(_PARTS).clamp_(max=_WIDEST * _PARTS - 1)
        table = _table(self._mass / self._patches).to(place.device)
        entry = place.long()
        before = table[entry]
        start = (table[entry + 1] - before).mul_(place - entry).add_(before).sub_(mean).exp_()
        if lowest is None:
            return start
        alone = (1 - self._room) / lowest
        return torch.where(start * lowest < 1, torch.maximum(start, alone), alone)

    def _transport(self) -> Tensor:
        """Returns what each column has too much, and all together, (N + 1, P); puts T and c into their buffers."""
        torch.mul(self._kernel[:-1], self._scales[:-1, :, None], out=self._plan)
        rows = torch.addcmul(self._plan[0], self._kernel[-1], self._scales[-1, :, None], out=self._rows)
        for part in self._plan[1:]:
            rows.add_(part)
        if self._capped:
            carried = torch.clamp(rows, max=1, out=self._carried)
            self._plan.mul_(torch.div(carried, rows, out=rows))
            total = self._surplus(carried, self._mass / self._patches, rows)
        else:
            self._carried.fill_(1)
            self._plan.mul_(rows.reciprocal_())
            total = torch.zeros_like(self._scales[0])
        columns, rest = self._surplus(self._plan, self._column / self._patches, self._spare), total
        for column in columns:
            rest = rest - column
        return torch.cat([columns, rest[None], total[None]])

    def _surplus(self, values: Tensor, mean: float, out: Tensor) -> Tensor:
        """Returns by how much rows (..., M) of values in [0, 1] sum to more than M times the mean.

        The mean is rounded to the grid: fp32 then adds up values of 0 and 1, most of them at small epsilon, exactly.
        """
        rounded = round(mean / _GRID) * _GRID
        return torch.sub(values, rounded, out=out).sum(-1).add_(self._patches * (rounded - mean))

    def _step(self, excess: Tensor) -> tuple[Tensor, Tensor]:
        """Returns factors (N, P) of the scales, and the errors (N + 1, P) that fp32 scales cannot avoid.

        The errors are those of each column's mass, and of all together: to that, capped rows add nothing.
        """
        *wanted, total = excess
        last, full = len(self._plan), self._plan
        free, carried = [torch.zeros_like(total)] * (last + 1), torch.zeros_like(total)
        if self._capped:
            below = torch.lt(self._carried, 1, out=self._rows)
            carried = (below.sum(-1) - self._room).add_(total).clamp_(min=1e-20)
            part = torch.mul(self._plan, below, out=self._spare)
            free, rest = list(part.sum(-1)), carried
            for one in free:
                rest = rest - one
            free.append(rest.clamp_(min=0))
            full = torch.sub(self._plan, part, out=part)
        others = torch.sub(1, full[0], out=self._rows)
        for part in full[1:]:
            others.sub_(part)
        links = {
            (n, j): torch.mul(full[n], full[j], out=self._carried).sum(-1) for n in range(1, last) for j in range(n)
        }
        to_last = torch.mul(full, others, out=self._plan).sum(-1).clamp_(min=0)
        links |= {(last, j): link for j, link in enumerate(to_last)}
        diagonal = [
            sum((links[max(n, j), min(n, j)] for j in range(last + 1) if j != n), free[n]) for n in range(last + 1)
        ]
        back = solve_without_subtraction(links, free, wanted, self._capped)
        # Rows below their cap are linear in the scales, full ones rather in the scales' logarithms.
        factor = back.neg_().add_(1).clamp_(*_FACTORS) if self._capped else back.neg_().exp_().clamp_(*_FACTORS)
        return factor, torch.stack([*diagonal, carried]).mul_(2 * _GRAIN).add_(EXACT)

    def _keep(self, stay: Tensor) -> None:
        self._kernel, self._plan = self._kernel.index_select(1, stay), self._plan.index_select(1, stay)
        self._carried, self._scales = self._carried.index_select(0, stay), self._scales[:, stay]
        self._rows, self._spare = self._rows[: len(stay)], self._spare[:, : len(stay)]

    def _write(self, plans: Tensor, where: Tensor | slice, excess: Tensor) -> None:
        """Writes the plans of all problems of the block; the last half step is the columns'."""
        factor = (self._column / self._patches / (excess + self._column))[:, :, None]
        rest = torch.sub(self._carried, self._plan[0], out=self._rows)
        for part in self._plan[1:]:
            rest.sub_(part)
        rest.clamp_(min=0)
        if isinstance(where, slice):
            torch.mul(self._plan, factor[:-1], out=plans[:-1, where])
            torch.mul(rest, factor[-1], out=plans[-1, where])
        else:
            plans[:-1, where], plans[-1, where] = self._plan * factor[:-1], rest * factor[-1]


@lru_cache(maxsize=16)
def _table(mass: float) -> Tensor:
    """Returns log f where the mean of min(f exp(z), 1), z ~ N(0, deviation^2), is `mass`, for each deviation tabled."""
    wide = torch.arange(_WIDEST * _PARTS + 1, dtype=torch.float64).div_(_PARTS).clamp_(min=1e-6)
    low, high = torch.full_like(wide, log(mass) - 1) - wide.square(), 10 * wide + 1

    def below(bound: Tensor) -> Tensor:
        return torch.erfc(bound / -sqrt(2)) / 2

    for _ in range(60):
        middle = (low + high) / 2
        carried = (middle + wide.square() / 2).exp() * below(-middle / wide - wide) + below(middle / wide)
        low, high = torch.where(carried < mass, middle, low), torch.where(carried < mass, high, middle)
    return low.float()
