"""The privacy of a sum of integer vectors that carry shares of discrete Gaussian noise.

m shares of N_Z(0, sigma^2) in each of d coordinates, S^2 = m sigma^2, one unit moves the sum by at most D in L2.

Directly: the RDP of Kairouz, Liu and Steinke, "The Distributed Discrete Gaussian Mechanism for Federated Learning with
Secure Aggregation", ICML 2021, arXiv:2102.06387, proposition 14,

    RDP(a) <= min(a D^2 / (2 S^2) + tau d, a/2 (D / S + sqrt(d) tau)^2),
    tau = 10 sum_{k<m} exp(-2 pi^2 sigma^2 k / (k+1)),

and with Poisson sampling theorem 5 of Zhu and Wang, "Poisson Subsampled Renyi Differential Privacy", ICML 2019: the one
that holds for every mechanism, with the factor 3 on terms from the third on.

By approximation, which is tighter, because a discrete release is then accounted as a Gaussian one with exact tools:

1. The pmf of k+1 shares is that of k shares folded with one more. By Poisson summation each fold is within a factor
   exp(+-5 exp(-2 pi^2 sigma^2 k/(k+1))) of the discrete Gaussian of the summed variance, so the whole sum is within
   exp(+-tau/2) of N_Z(0, S^2) per coordinate (sigma >= 1).
2. Draw y ~ N(x, S^2 - r^2) and then the integer z ~ N_Z centred at y with parameter r. Its normaliser
   sum_k exp(-(k - y)^2 / (2 r^2)) is constant in y up to 1 +- 2.01 exp(-2 pi^2 r^2), by Poisson summation again, so z
   is within exp(+-5 exp(-2 pi^2 r^2)) of N_Z(x, S^2) for integer x (r^2 >= 1/2). And z is made from y alone.

So the release is, pointwise and within exp(+-xi), xi = d (tau/2 + 5 exp(-2 pi^2 r^2)), made from a Gaussian release of
variance S^2 - r^2 per coordinate, whichever units were sampled and whatever was seen before. With Xi the sum of all xi:
if the Gaussian releases are (epsilon, delta) private, the discrete ones are (epsilon + 2 Xi, exp(Xi) delta) private.
With noise of many ring units, S >> r, Xi is far below 1e-12 and epsilon equals the Gaussian's to 4 digits or more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent, DiscretePrivacyEvent, PrivacyEvent
from fedsilo.privacy.accounting.rdp import ORDERS, Curve, bound_rounding, gaussian_curve, sum_curves

SLACK = 1e-18
"""Slack of one release that the rounding parameter r is chosen for."""
LARGEST_SLACK = 0.1
"""Largest slack of all releases at which the approximation is still used."""
SUBSAMPLED = 1024
"""Largest order at which credit for sampling is computed: the work grows with its square."""


@dataclass(frozen=True, slots=True)
class GaussianApproximation:
    """Gaussian releases from which other releases are computed, nearly.

    Attributes:
        expenses: The Gaussian releases.
        slack: Xi >= 0: if they are (epsilon, delta) private, the others are (epsilon + 2 Xi, exp(Xi) delta) private.
    """

    expenses: tuple[PrivacyEvent, ...]
    slack: float


def approximate_by_gaussian(expenses: Sequence[AnyPrivacyEvent]) -> GaussianApproximation | None:
    """Finds Gaussian releases that approximate given releases.

    Args:
        expenses: Gaussian and discrete releases.

    Returns:
        The Gaussian releases with their slack; None where the noise is too small for the approximation.
    """
    compared: list[PrivacyEvent] = []
    slack = 0.0
    for expense in expenses:
        if isinstance(expense, PrivacyEvent):
            compared.append(expense)
            continue
        variance = expense.shares * expense.deviation**2
        rounded = max(0.5, math.log(5 * expense.dimension / SLACK) / (2 * math.pi**2))
        if expense.deviation < 1 or variance < 2 * rounded:
            return None
        slack += expense.count * expense.dimension * (tau(expense) / 2 + 5 * math.exp(-2 * math.pi**2 * rounded))
        multiplier = math.sqrt(variance - rounded) / expense.sensitivity
        compared.append(PrivacyEvent(multiplier, expense.rate, expense.count))
    return GaussianApproximation(tuple(compared), slack) if slack < LARGEST_SLACK else None


def tau(expense: DiscretePrivacyEvent) -> float:
    """Computes how far the sum of the shares is from a discrete Gaussian.

    Args:
        expense: Releases with shares of noise.

    Returns:
        tau of proposition 14; 0 for one share.
    """
    k = np.arange(1, expense.shares, dtype=np.float64)
    with np.errstate(under="ignore"):
        return float(10 * np.exp(-2 * (math.pi * expense.deviation) ** 2 * k / (k + 1)).sum())


def direct_curve(expenses: Sequence[AnyPrivacyEvent], adjacency: Adjacency) -> Curve:
    """Computes the RDP of all releases, of discrete ones by proposition 14 and theorem 5.

    Args:
        expenses: Gaussian and discrete releases.
        adjacency: "zero_out" or "replace".

    Returns:
        RDP at ORDERS.
    """
    return sum_curves(
        [
            gaussian_curve(expense, adjacency)
            if isinstance(expense, PrivacyEvent)
            else discrete_curve(expense, adjacency)
            for expense in expenses
        ]
    )


def discrete_curve(expense: DiscretePrivacyEvent, adjacency: Adjacency) -> Curve:
    """Computes the RDP of all releases of a discrete event.

    Args:
        expense: The event.
        adjacency: "zero_out" or "replace".

    Returns:
        RDP at ORDERS.
    """
    if expense.count == 0:
        return np.zeros_like(ORDERS)
    return expense.count * _single(replace(expense, count=1), adjacency)


@lru_cache(maxsize=256)
def _single(expense: DiscretePrivacyEvent, adjacency: Adjacency) -> Curve:
    curve = release_rdp(ORDERS, expense, adjacency)
    # Theorem 5 is about adding or removing a unit; under "replace" no credit for sampling is taken.
    if expense.rate < 1 and adjacency == "zero_out":
        curve = np.minimum(curve, _subsampled(expense) + bound_rounding(expense.rate))
    curve.setflags(write=False)
    return curve


def release_rdp(
    orders: NDArray[np.float64], expense: DiscretePrivacyEvent, adjacency: Adjacency
) -> NDArray[np.float64]:
    """Computes the RDP of one release that contains every unit (proposition 14).

    Args:
        orders: Any orders > 1.
        expense: The event.
        adjacency: "zero_out" or "replace".

    Returns:
        RDP at these orders, same shape.
    """
    moved = (1 if adjacency == "zero_out" else 2) / expense.multiplier
    off, dimension = tau(expense), expense.dimension
    first = orders / 2 * moved**2 + off * dimension
    return np.asarray(np.minimum(first, orders / 2 * (moved + math.sqrt(dimension) * off) ** 2))


def _subsampled(expense: DiscretePrivacyEvent) -> Curve:
    """One Poisson-sampled release at the integer orders; inf at the others."""
    rdp = np.concatenate([[0.0, 0.0], release_rdp(np.arange(2.0, SUBSAMPLED + 1), expense, "zero_out")])
    whole = (np.mod(ORDERS, 1) == 0) & (ORDERS <= SUBSAMPLED)
    return np.array([amplify(int(a), rdp, expense.rate) if w else np.inf for a, w in zip(ORDERS, whole, strict=True)])


def amplify(order: int, rdp: NDArray[np.float64], rate: float) -> float:
    """Computes the RDP of a Poisson-sampled mechanism (theorem 5 of Zhu and Wang).

    Args:
        order: Integer order a >= 2.
        rdp: (>= a + 1,) RDP of the mechanism without sampling, at the index of each integer order.
        rate: Sampling rate q in (0, 1).

    Returns:
        log[(1-q)^(a-1) (a q - q + 1) + C(a,2) q^2 (1-q)^(a-2) e^rdp(2)
        + 3 sum_{l=3}^a C(a,l) q^l (1-q)^(a-l) e^((l-1) rdp(l))] / (a - 1).
    """
    stay = math.log1p(-rate)
    l = np.arange(2, order + 1)
    binomial = gammaln(order + 1) - gammaln(l + 1) - gammaln(order - l + 1)
    terms = binomial + l * math.log(rate) + (order - l) * stay + (l - 1) * rdp[2 : order + 1]
    terms[1:] += math.log(3)
    first = (order - 1) * stay + math.log1p((order - 1) * rate)
    return float(logsumexp(np.append(terms, first))) / (order - 1)
