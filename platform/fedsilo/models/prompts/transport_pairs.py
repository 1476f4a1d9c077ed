"""Newton's method for transport to two prompts with capped rows: few passes over the data per step, no safeguard.

Dimensions: P problems, M patches; arrays are (P, M), of fp32, and in units of one patch, as in `newton_transport.py`.

With the kernels k1, k2 and the scales a, b, a row's total is R = a k1 + b k2. It carries min(R, 1) and leaves d = max(1
- R, 0) empty; the first prompt gets T1 = a k1 / max(R, 1), the other one the rest. Both columns are right where the sum
of d is M less the mass and the sum of T1 is half the mass. Capped rows add exact zeros to the first sum: that keeps it
exact where almost all rows are capped. With e = [R < 1] a step of the logarithms solves two equations of

    F1 = sum of e T1,   F1 + F2 = sum of e R,   W = sum of (1 - e) T1 (1 - T1).

The start treats log(k1 + k2) of a problem as normally distributed, with its own mean and deviation: then the common
factor that gives the mass is a function of the deviation, which is tabulated. From there 2 to 4 steps are usual. A
problem that is not solved after STEPS steps, as some at small epsilon, is left to the search of `newton_transport.py`.

In processor time, on drawn similarities at gamma 0.8 with 49, 196 or 576 patches, this is 0.9 to 1.6 times as fast as
the sweeps at their default tolerance at epsilon 0.1 (slower only where the sweeps need 4), and 3.6 to 6.3 times at
epsilon 0.01: `python benchmarks/methods.py --only transport`.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, sqrt

import torch
from torch import Tensor

STEPS = 10
"""Most steps of a problem."""
EXACT = 2e-6
"""Error of a column's mass, in patches, at which a problem is solved."""
BLOCK = 1 << 16
"""Elements of one kernel per block: six such arrays of fp32 stay in a processor's second cache."""
_GRAIN = torch.finfo(torch.float32).eps
_GRID = 2**-10
_LONGEST = 1.0
"""Longest step of a scale's logarithm."""
_WIDEST, _PARTS = 16.0, 32
"""The table of starts: largest deviation, and entries per unit of it."""


class Pairs:
    """One kind of problem.

    Args:
        epsilon: Entropy weight, > 0, in units of similarity.
        mass: Mass of a problem in patches, > 0 and < M; each of the two columns gets half of it.
    """

    def __init__(self, epsilon: float, mass: float) -> None:
        self._epsilon, self._mass = epsilon, mass

    def fill(self, plans: Tensor, similarity: Tensor, places: Tensor) -> Tensor:
        """Solves problems and writes their plans, with a patch's mass as 1 / M.

        Args:
            plans: (2, P, M) fp32, written at `places`.
            similarity: (2, P, M) fp32, contiguous; finite at `places`.
            places: Numbers of the problems, ascending.

        Returns:
            Numbers of the problems that are not solved.
        """
        _, count, patches = similarity.shape
        size = max(1, BLOCK // patches)
        work = similarity.new_empty((6, min(size, len(places)), patches))
        left, whole = [places[:0]], len(places) == count
        for start in range(0, len(places), size):
            numbers = places[start : start + size]
            where = slice(start, start + len(numbers)) if whole else numbers
            block = similarity[:, where] if whole else similarity.index_select(1, numbers)
            left.append(self._solve(plans, block, numbers, where, work))
        return torch.cat(left)

    def _solve(self, plans: Tensor, block: Tensor, numbers: Tensor, where: Tensor | slice, work: Tensor) -> Tensor:
        """Solves a block of problems and writes their plans; returns the numbers of those that need more steps.

        Solved problems keep their scales; they are dropped once they are half of those at work.
        """
        k1, k2, first, empty, *spare = work[:, : len(numbers)]
        scales = self._start(block, k1, k2, spare)
        allowed = torch.full_like(scales, EXACT)
        for step in range(STEPS + 1):
            excess = self._transport(scales, k1, k2, (first, empty, spare[0]))
            solved = torch.maximum(excess[0].abs(), excess[1].abs()) <= allowed[0]
            moving = (solved & ((excess[0] + excess[1]).abs() <= allowed[1])).logical_not_()
            stay = moving.nonzero()[:, 0]
            if 2 * len(stay) <= len(numbers) or step == STEPS:
                self._write(plans, where, excess, (first, empty, spare[0]))
                where = numbers = numbers[stay]
                if not len(stay):
                    break
                k1, k2, first, empty = (array.index_select(0, stay) for array in (k1, k2, first, empty))
                spare = [array[: len(stay)] for array in spare]
                scales, excess, moving = scales[:, stay], excess[:, stay], moving[stay]
            factor, allowed = self._step(excess, first, empty, spare)
            scales = torch.where(moving, scales * factor, scales)
        return numbers

    def _start(self, block: Tensor, k1: Tensor, k2: Tensor, spare: list[Tensor]) -> Tensor:
        """Writes the kernels into their buffers; returns the scales (2, P), both the same."""
        for kernel, similarity in ((k1, block[0]), (k2, block[1])):
            torch.sub(similarity, similarity.mean(-1)[:, None], out=kernel).mul_(1 / self._epsilon).exp_()
        patches = k1.shape[-1]
        rows = torch.add(k1, k2, out=spare[0]).log_()
        mean = rows.mean(-1)
        rows.sub_(mean[:, None])
        place = rows.mul_(rows).sum(-1).div_(patches).sqrt_().mul_(_PARTS).clamp_(max=_WIDEST * _PARTS - 1)
        table = _table(self._mass / patches).to(place.device)
        entry = place.long()
        before = table[entry]
        start = (table[entry + 1] - before).mul_(place - entry).add_(before)
        return start.sub_(mean).exp_().expand(2, -1)

    def _transport(self, scales: Tensor, k1: Tensor, k2: Tensor, out: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Returns the surplus of both columns, (2, P); writes T1 and d into the first two buffers."""
        first, empty, rows = out
        patches = k1.shape[-1]
        torch.mul(k1, scales[0, :, None], out=first)
        torch.addcmul(first, k2, scales[1, :, None], out=rows)
        torch.clamp(rows, max=1, out=empty)
        first.mul_(torch.div(empty, rows, out=rows))
        torch.sub(1, empty, out=empty)
        one = _surplus(first, self._mass / (2 * patches), rows)
        return torch.stack([one, -_surplus(empty, 1 - self._mass / patches, rows) - one])

    def _step(self, excess: Tensor, first: Tensor, empty: Tensor, spare: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Returns factors (2, P) of the scales, and the errors (2, P) that fp32 scales cannot avoid.

        The errors are those of one column's mass, and of both together: to that, capped rows add nothing.
        """
        below = torch.gt(empty, 0, out=spare[0])
        count = below.sum(-1)
        part = below.mul_(first)
        free1 = part.sum(-1)
        full = torch.sub(first, part, out=part)
        link = full.sub_(torch.mul(full, full, out=spare[1])).sum(-1).clamp_(min=0)
        free = (count - empty.sum(-1)).clamp_(min=1e-20)
        free1 = torch.minimum(free1, free)
        free2 = free - free1
        both = link * (excess[0] + excess[1])
        size = (free1 * free2).add_(link * free).clamp_(min=1e-30)
        steps = torch.stack([free2 * excess[0] + both, free1 * excess[1] + both]).div_(-size)
        length = torch.maximum(steps[0].abs(), steps[1].abs())
        steps *= (_LONGEST / length).clamp_(max=1)
        errors = torch.stack([torch.maximum(free1, free2).add_(link), free])
        return steps.exp_(), errors.mul_(2 * _GRAIN).add_(EXACT)

    def _write(self, plans: Tensor, where: Tensor | slice, excess: Tensor, rows: tuple[Tensor, Tensor, Tensor]) -> None:
        """Writes the plans of all problems of the block; the last half step is the columns'. `rows` holds T1 and d."""
        first, empty, second = rows
        patches, column = first.shape[-1], self._mass / 2
        factor = (column / patches / (excess + column))[:, :, None]
        torch.sub(1, torch.add(first, empty, out=second), out=second).clamp_(min=0)
        if isinstance(where, slice):
            torch.mul(first, factor[0], out=plans[0, where])
            torch.mul(second, factor[1], out=plans[1, where])
        else:
            plans[0, where], plans[1, where] = first * factor[0], second * factor[1]


def _surplus(values: Tensor, mean: float, out: Tensor) -> Tensor:
    """Returns by how much rows (P, M) of values in [0, 1] sum to more than M times the mean.

    The mean is rounded to the grid: fp32 then adds up values of 0 and 1, most of them at small epsilon, exactly.
    """
    rounded = round(mean / _GRID) * _GRID
    return torch.sub(values, rounded, out=out).sum(-1).add_(values.shape[-1] * (rounded - mean))


@lru_cache(maxsize=16)
def _table(mass: float) -> Tensor:
    """Returns log f where the mean of min(f exp(z), 1), z ~ N(0, deviation^2), is `mass`, for each deviation."""
    wide = torch.arange(_WIDEST * _PARTS + 1, dtype=torch.float64).div_(_PARTS).clamp_(min=1e-6)
    low, high = torch.full_like(wide, log(mass) - 1) - wide.square(), 10 * wide + 1

    def below(bound: Tensor) -> Tensor:
        return torch.erfc(bound / -sqrt(2)) / 2

    for _ in range(60):
        middle = (low + high) / 2
        carried = (middle + wide.square() / 2).exp() * below(-middle / wide - wide) + below(middle / wide)
        low, high = torch.where(carried < mass, middle, low), torch.where(carried < mass, high, middle)
    return low.float()
