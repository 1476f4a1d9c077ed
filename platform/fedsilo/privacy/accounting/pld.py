"""Privacy loss distributions (PLD): the tightest bound for sampled Gaussian releases, by dp_accounting.

The library rounds losses to a grid, always so that epsilon comes out larger, and composes by Fourier transform. The
step decides how much is lost: a step of 1/64 of a single release's deviation costs about 1e-4 of epsilon. So the step
depends on the releases, in powers of two for the cache, and is coarsened only to bound the work.

Under replace a Poisson-sampled release is dominated by P = (1-q) N(0) + q N(-C) and Q = (1-q) N(0) + q N(C), which is
dp_accounting's REPLACE_ONE at sensitivity C and at q = 1 the Gaussian of half the multiplier. Proof: given the other
drawn units, the release is N(0) without the unit, N(u) or N(v) with it, |u|, |v| <= C. For any t > 0 the divergence of
the one mixture from t times the other is E[(q S_u - t q S_v + (1-q) (1-t))+] over x ~ N(0) (here of deviation 1), with
likelihood ratios S_w = exp(<w, x> - |w|^2 / 2): the price of a spread option. The payoff is convex in S_u and in S_v
and its mixed derivative is <= 0, so (Gaussian interpolation) the price grows with |u|^2 and |v|^2 and falls with <u,
v>: it is largest at |u| = |v| = C and v = -u, which is one-dimensional. The other drawn units are the same for both
neighbours, and divergences are jointly convex, so this holds for the mixture over them too.

Under zero_out the same with v = 0, or u = 0: the pair (1-q) N(0) + q N(C) and N(0), in both orders, ADD_OR_REMOVE_ONE.
Pairs that dominate at every t compose, adaptively too: Zhu, Dong and Wang, "Optimal Accounting of Differential Privacy
via Characteristic Function", AISTATS 2022, arXiv:2106.08567, theorem 10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from fedsilo.core.privacy_events import RAREST, Adjacency, PrivacyEvent

FINENESS = 64
"""Grid steps per deviation of a single release's loss, at least, where the bounds below allow it."""
SINGLE_POINTS, TOTAL_POINTS = 40_000, 80_000
"""Largest grids of one release and of all, about: a quarter and a twentieth of a second."""
FINEST, COARSEST = 2.0**-26, 0.5
"""Range of grid steps: below, differences of deltas are lost to rounding; above, the bound is too loose."""
MOST = 10_000_000
"""Largest number of releases for which the work was measured to be bounded: under a second."""
ROUNDING = (1e-13, 2e-15)
"""Mass that rounding may lose: in the Fourier transform, and per release. It is subtracted from delta."""
SMALLEST, LARGEST = 1e-3, 1e9
"""Range of multipliers that the library's floats can represent."""
TAIL = 10.0
"""Deviations of the noise beyond which the library puts losses to infinity (mass e^-50)."""


def loss_epsilon(expenses: Sequence[PrivacyEvent], delta: float, adjacency: Adjacency) -> float:
    """Computes the PLD's upper bound of epsilon.

    Args:
        expenses: Gaussian releases; those of equal multiplier and rate are best given as one event.
        delta: In (0, 1).
        adjacency: "zero_out" or "replace".

    Returns:
        In [0, inf]; inf where no bound is found with bounded work.
    """
    singles = [step for step in _steps(expenses, adjacency) if step.count]
    releases, interval = sum(step.count for step in singles), _interval(singles)
    allowance = ROUNDING[0] + ROUNDING[1] * releases
    if interval > COARSEST or releases > MOST or allowance > delta / 100:
        return math.inf
    composed = None
    for step in singles:
        part = _single(step.multiplier, step.rate, adjacency, interval).self_compose(step.count)
        composed = part if composed is None else composed.compose(part)
    if composed is None:
        return 0.0
    with np.errstate(over="ignore"):  # to infinity, rightly
        return float(composed.get_epsilon_for_delta(delta - allowance))


def _steps(expenses: Sequence[PrivacyEvent], adjacency: Adjacency) -> list[PrivacyEvent]:
    """The releases, with all unsampled ones joined into one, since mu^2 adds up; noise is only rounded down."""
    squares = sum(e.count / e.multiplier / e.multiplier if e.multiplier else math.inf for e in expenses if e.rate == 1)
    sampled = [
        replace(e, multiplier=min(e.multiplier, LARGEST), rate=max(e.rate, RAREST)) for e in expenses if e.rate < 1
    ]
    return sampled + ([PrivacyEvent(min(1 / math.sqrt(squares), LARGEST))] if squares > 0 else [])


def _interval(steps: Sequence[PrivacyEvent]) -> float:
    """The grid's step: fine enough for the narrowest release, coarse enough to bound the work; inf if there is none."""
    if any(step.multiplier < SMALLEST for step in steps):
        return math.inf
    losses = [_single_loss(step) for step in steps]
    wanted = min((loss.deviation for loss in losses), default=0.0) / FINENESS
    longest = max((loss.width for loss in losses), default=0.0) / SINGLE_POINTS
    altogether = sum(_length(step, loss) for step, loss in zip(steps, losses, strict=True)) / TOTAL_POINTS
    return float(2.0 ** math.ceil(math.log2(max(wanted, longest, min(altogether, 1.0), FINEST))))


@dataclass(frozen=True, slots=True)
class _Loss:
    """Range of one release's losses, and their approximate deviation."""

    width: float
    deviation: float


def _length(step: PrivacyEvent, loss: _Loss) -> float:
    """Approximate range of losses that the library keeps for all releases of a step; its Chernoff bound is loose."""
    variance = step.count * loss.deviation**2
    return min(step.count * loss.width, 20 * math.sqrt(variance) + variance / min(1.0, loss.width)) + 2 * loss.width


def _single_loss(step: PrivacyEvent) -> _Loss:
    shift = 1 / step.multiplier
    furthest = TAIL * shift + shift * shift
    largest = furthest + math.log(step.rate + (1 - step.rate) * math.exp(-furthest))
    missing = -math.log1p(-step.rate) if step.rate < 1 else math.inf
    chi_square = math.expm1(min(shift * shift, 600.0))
    return _Loss(largest + min(missing, furthest), min(step.rate * math.sqrt(chi_square), shift))


@lru_cache(maxsize=64)
def _single(multiplier: float, rate: float, adjacency: Adjacency, interval: float) -> Any:
    """The PLD of one release, sensitivity 1."""
    from dp_accounting import NeighboringRelation
    from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution, from_gaussian_mechanism

    exchanged = adjacency == "replace"
    relation = NeighboringRelation.REPLACE_ONE if exchanged else NeighboringRelation.ADD_OR_REMOVE_ONE
    loss = from_gaussian_mechanism(
        standard_deviation=multiplier,
        sensitivity=1.0,
        value_discretization_interval=interval,
        sampling_prob=rate,
        neighboring_relation=relation,
    )
    # Of few points it would be a sparse one, which the library composes by way of the number points ** count.
    dense = [pmf.to_dense_pmf() for pmf in (loss._pmf_remove, loss._pmf_add)]
    return PrivacyLossDistribution(dense[0]) if exchanged or rate == 1 else PrivacyLossDistribution(*dense)
