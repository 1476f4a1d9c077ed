"""Renyi differential privacy (RDP): a curve over orders for each kind of release, their sum, and its epsilon.

For "zero_out" the curves of sampled Gaussians are dp_accounting's. For "replace" it has none, so the divergence between
the two distributions that `pld` proves to be the worst is integrated here.

Source: Mironov, Talwar and Zhang, "Renyi Differential Privacy of the Sampled Gaussian Mechanism", 2019,
arXiv:1908.10530; conversion: Canonne, Kamath and Steinke, NeurIPS 2020, arXiv:2004.00010, proposition 12.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from fedsilo.core.privacy_events import RAREST, Adjacency, PrivacyEvent

Curve = NDArray[np.float64]
"""RDP at each of ORDERS; inf where there is no bound."""

ORDERS: Curve = np.array([1 + tenth / 10 for tenth in range(1, 100)] + [*range(11, 64), 80, 96])
ORDERS = np.concatenate([ORDERS, 2.0 ** np.arange(7, 21)])
ORDERS.setflags(write=False)

SAMPLED = 4096
"""Largest order at which credit for sampling is computed; the work grows with the order."""
MULTIPLIERS = (0.05, 1e9)
"""Range of multipliers where the sampled Gaussian's series is reliable; outside, no credit is given for sampling."""
FRACTIONS = 2.0
"""Multiplier from which on fractional orders are interpolated: epsilon is small and needs large orders, and the
library's series for fractional ones is slow or does not converge."""
REPLACED_LENGTH = 10_000.0
"""Longest range, in deviations, that the divergence of the replaced pair is integrated over."""


def renyi_epsilon(curve: Curve, delta: float) -> float:
    """Converts an RDP curve to an epsilon.

    Args:
        curve: RDP at ORDERS.
        delta: In (0, 1).

    Returns:
        In [0, inf].
    """
    from dp_accounting.rdp import compute_epsilon  # imported here: it takes a second and clients never need it

    if np.isinf(curve).all():
        return math.inf
    return float(compute_epsilon(ORDERS, np.maximum(curve, 0.0), delta)[0])


def gaussian_curve(expense: PrivacyEvent, adjacency: Adjacency) -> Curve:
    """Computes the RDP of all releases of a Gaussian event.

    Args:
        expense: The event.
        adjacency: "zero_out" or "replace".

    Returns:
        RDP at ORDERS.
    """
    if expense.count == 0:
        return np.zeros_like(ORDERS)
    with np.errstate(over="ignore"):  # to infinity, rightly
        return expense.count * _single(expense.multiplier, max(expense.rate, RAREST), adjacency)


def unsampled_curve(multiplier: float, adjacency: Adjacency) -> Curve:
    """Computes the RDP of one Gaussian release that contains every unit.

    It also bounds a sampled release: divergences are convex, and with some probability the unit is not in.

    Args:
        multiplier: Noise deviation over sensitivity.
        adjacency: "zero_out" or "replace".

    Returns:
        RDP at ORDERS.
    """
    single = multiplier if adjacency == "zero_out" else multiplier / 2
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(ORDERS / 2 * np.square(np.divide(1.0, single)))


@lru_cache(maxsize=256)
def _single(multiplier: float, rate: float, adjacency: Adjacency) -> Curve:
    curve = unsampled_curve(multiplier, adjacency)
    if rate < 1 and MULTIPLIERS[0] <= multiplier <= MULTIPLIERS[1]:
        sampled = _sampled if adjacency == "zero_out" else _replaced
        curve = np.minimum(curve, sampled(multiplier, rate) + bound_rounding(rate))
    curve.setflags(write=False)
    return curve


def bound_rounding(rate: float) -> Curve:
    """Bounds what rounding loses in a sum of binomial terms in log space.

    Without this, curves of tiny rates would be 0 or below, and so would their epsilon.

    Args:
        rate: Sampling rate, in (0, 1).

    Returns:
        The bound at each of ORDERS.
    """
    largest = gammaln(ORDERS + 1) + ORDERS * abs(math.log(rate))
    return np.asarray(4e-16 * (1 + largest) / (ORDERS - 1))


def _sampled(multiplier: float, rate: float) -> Curve:
    """One Poisson-sampled Gaussian release under zero_out."""
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
    from dp_accounting.rdp import RdpAccountant

    wanted = ORDERS[ORDERS <= SAMPLED]
    orders = wanted if multiplier < FRACTIONS else wanted[np.mod(wanted, 1) == 0]
    accountant = RdpAccountant(orders.tolist())  # its default, add or remove, is zero_out
    with _silence_warnings():
        accountant.compose(PoissonSampledDpEvent(rate, GaussianDpEvent(multiplier)))
    # (a - 1) RDP(a) is convex in a and 0 at 1: between orders the straight line is above it.
    moments = np.interp(wanted, [1.0, *orders], [0.0, *((orders - 1) * accountant.rdp)])
    return np.concatenate([moments / (wanted - 1), np.full(len(ORDERS) - len(wanted), np.inf)])


@contextmanager
def _silence_warnings() -> Iterator[None]:
    """Hides the library's warnings about orders whose series did not converge: it leaves these orders out."""
    logger = logging.getLogger("absl")

    def drop(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)


def _replaced(multiplier: float, rate: float) -> Curve:
    """One Poisson-sampled Gaussian release under replace."""
    return np.array([_replaced_divergence(order, 1 / multiplier, rate) for order in ORDERS])


def _replaced_divergence(order: float, shift: float, rate: float) -> float:
    """D_order of (1-q) N(0,1) + q N(-shift,1) from (1-q) N(0,1) + q N(shift,1), by the trapezoidal rule.

    The rule converges geometrically for such integrands: their nearest singularity is pi / shift off the real line.
    """
    if order > SAMPLED or 2 * order * shift > REPLACED_LENGTH or shift > 4:
        return math.inf
    step = 0.1 / max(1.0, shift)
    x = np.arange(-2 * order * shift - 14, 14 + shift, step)
    stay, move = math.log1p(-rate), math.log(rate) - shift * shift / 2
    upper, lower = (np.logaddexp(stay, move - sign * shift * x) for sign in (1, -1))
    moment = logsumexp(order * upper + (1 - order) * lower - x * x / 2) + math.log(step / math.sqrt(2 * math.pi))
    return float(moment) / (order - 1)


def sum_curves(curves: Sequence[Curve]) -> Curve:
    """Adds up RDP curves: RDP is additive, also where each release is chosen after seeing those before it.

    Args:
        curves: RDP at ORDERS of each group of releases.

    Returns:
        RDP at ORDERS of all together.
    """
    return np.sum(curves, axis=0) if curves else np.zeros_like(ORDERS)
