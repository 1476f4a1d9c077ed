"""Solves the small linear systems of `newton_transport.py` by an elimination that never subtracts.

Dimensions: P systems of N unknowns at once, as lists of (P,): other systems change no bit of a solution.

Source: Grassmann, Taksar, Heyman, "Regenerative analysis and steady state distributions for Markov chains", Operations
Research 33 (1985): elimination that only adds, multiplies and divides numbers >= 0.
"""

from __future__ import annotations

import torch
from torch import Tensor


def solve_without_subtraction(
    links: dict[tuple[int, int], Tensor], free: list[Tensor], wanted: list[Tensor], anchored: bool
) -> Tensor:
    """Solves (diag(free) + laplacian(links)) x = wanted for P systems at once.

    Args:
        links: (P,) weights >= 0 between unknowns n > j, by (n, j).
        free: N times (P,), >= 0.
        wanted: N times (P,); adds up to 0 where not anchored.
        anchored: Whether `free` is not 0; otherwise x[0] is 0.

    Returns:
        x, (N, P).
    """
    links, free, wanted = dict(links), list(free), list(wanted)
    pivots = list(free)
    for n in range(len(free) - 1, 0, -1):
        pivots[n] = sum((links[n, j] for j in range(n)), free[n]).clamp(min=1e-30)
        for j in range(n):
            part = links[n, j] / pivots[n]
            for k in range(j):
                links[j, k] = links[j, k] + part * links[n, k]
            free[j] = free[j] + part * free[n]
            wanted[j] = wanted[j] + part * wanted[n]
    found = [wanted[0] / free[0].clamp(min=1e-30) if anchored else torch.zeros_like(wanted[0])]
    for n in range(1, len(free)):
        found.append(sum((links[n, j] * found[j] for j in range(n)), wanted[n]) / pivots[n])
    return torch.stack(found)
