"""A common factor of all column scales with which capped rows carry a given mass.

Dimensions: P problems, M patches; a problem is its rows' totals R (M,), positive, and the mass is in patches.

Wanted is f > 0 with sum of min(f R, 1) = mass < M. The sum is concave, increasing and piecewise linear in f: a step of
Newton's from anywhere ends left of the solution, and on it where it crosses no corner. A step that leaves the bracket,
as one from where too many rows are capped, is replaced by the bracket's middle, in logarithms.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STEPS = 100


def below_cap(total: Tensor, out: Tensor, factor: Tensor | None = None) -> Tensor:
    """Returns, in `out`, 1 where factor (P,) times total (P, M) is below 1 and 0 elsewhere.

    Arithmetic instead of comparisons, which take several times as long: (1 - R) / eps is above 1 for every R below 1.
    """
    sharp = 2 / torch.finfo(total.dtype).eps
    torch.mul(total, -sharp if factor is None else (factor * -sharp)[:, None], out=out)
    return out.add_(sharp).clamp_(0, 1)


def carried_below(total: Tensor, factor: Tensor | None, work: Tensor) -> tuple[Tensor, Tensor]:
    """Returns how many rows (P,) of factor times total are not below their cap, and the mass (P,) of those below.

    The work space is (2, P, M).
    """
    below = below_cap(total, work[0], factor)
    mass = torch.mul(total, below, out=work[1]).sum(-1)
    return total.shape[-1] - below.sum(-1), mass if factor is None else mass * factor


def misses(count: Tensor, below: Tensor, mass: float, near: float, patches: int) -> Tensor:
    """Returns which problems (P,) miss the mass by more than a part `near` of what rows below their cap carry."""
    room = (mass - count).clamp_(max=patches - mass).mul_(near)
    return (count + below - mass).abs_() > room.clamp_(min=2 * torch.finfo(below.dtype).eps * mass)


def common_factor(total: Tensor, mass: float, near: float, work: Tensor) -> Tensor:
    """Returns factors (P,) of totals (P, M) so that no problem misses the mass; work (2, >= P, M) is written on."""
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
