"""The common factor of all column scales with which capped rows carry a given mass.

Dimensions: P problems, M patches; a problem has its rows' totals R (M,), positive, and the mass is in patches.

Wanted is f > 0 with sum of min(f R, 1) = mass < M. The sum is concave, increasing and piecewise linear in f: a Newton
step from anywhere ends left of the solution, or on it where it crosses no corner. A step that leaves the bracket, as
one from a point with too many capped rows, is replaced by the bracket's middle, in logarithms.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STEPS = 100


def below_cap(total: Tensor, out: Tensor, factor: Tensor | None = None) -> Tensor:
    """Marks the rows below their cap: 1 where the factor times the total is below 1, 0 elsewhere.

    Arithmetic instead of comparisons, which take several times as long: (1 - R) / eps is above 1 for every R below 1.

    Args:
        total: R, (P, M).
        out: (P, M), written.
        factor: (P,); None for 1.

    Returns:
        `out`.
    """
    sharp = 2 / torch.finfo(total.dtype).eps
    torch.mul(total, -sharp if factor is None else (factor * -sharp)[:, None], out=out)
    return out.add_(sharp).clamp_(0, 1)


def carried_below(total: Tensor, factor: Tensor | None, work: Tensor) -> tuple[Tensor, Tensor]:
    """Counts the rows that are not below their cap, and sums the mass of those below.

    Args:
        total: R, (P, M).
        factor: (P,); None for 1.
        work: (2, P, M), written.

    Returns:
        The count (P,) and the mass (P,) in patches.
    """
    below = below_cap(total, work[0], factor)
    mass = torch.mul(total, below, out=work[1]).sum(-1)
    return total.shape[-1] - below.sum(-1), mass if factor is None else mass * factor


def misses(count: Tensor, below: Tensor, mass: float, near: float, patches: int) -> Tensor:
    """Compares the carried mass with the wanted one.

    Args:
        count: (P,) rows that are not below their cap.
        below: (P,) mass of the rows below their cap.
        mass: Wanted mass in patches.
        near: Largest error, as a part of what rows below their cap must carry.
        patches: M.

    Returns:
        (P,) whether a problem misses the mass by more.
    """
    room = (mass - count).clamp_(max=patches - mass).mul_(near)
    return (count + below - mass).abs_() > room.clamp_(min=2 * torch.finfo(below.dtype).eps * mass)


def common_factor(total: Tensor, mass: float, near: float, work: Tensor) -> Tensor:
    """Finds the factor of each problem.

    Args:
        total: R, (P, M).
        mass: Wanted mass in patches.
        near: Largest error, as in `misses`.
        work: (2, >= P, M), written.

    Returns:
        (P,) factors with which no problem misses the mass.
    """
    patches = total.shape[-1]
    low, high = mass / total.sum(-1), 1 / total.amin(-1)
    factor = torch.ones_like(low)
    final, active = factor.clone(), torch.arange(len(factor), device=factor.device)
    for _ in range(_STEPS):
        count, below = carried_below(total, factor, work[:, : len(total)])
        far = misses(count, below, mass, near, patches)
        keep = far.nonzero()[:, 0]
        final[active] = factor
        if not len(keep):
            break
        left = count + below <= mass
        low = torch.where(left, torch.maximum(low, factor), low)
        high = torch.where(left, high, torch.minimum(high, factor))
        step = factor * (mass - count) / below
        step = torch.where((step >= low) & (step <= high), step, low.sqrt() * high.sqrt())
        factor = torch.where(far, step, factor)
        if 2 * len(keep) <= len(active):
            total, factor, active = total.index_select(0, keep), factor[keep], active[keep]
            low, high = low[keep], high[keep]
    return final
