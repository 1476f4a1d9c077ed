"""A second opinion on epsilon, by opacus: another library and other orders for the same kind of bound.

Opacus' own orders end at 63, which gives no epsilon below 0.1, so more orders are passed. Its PRV and GDP accountants
are
left out: the first adds its error, 0.01, to every answer and can take a minute, the second gives no upper bound.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
from fedsilo.privacy.accounting.discrete_sum import approximate_by_gaussian

ORDERS = (*(1 + tenth / 10 for tenth in range(1, 100)), *range(11, 129), 256, 512, 1024)
MOST_MULTIPLIER = 1e4
"""Largest multiplier for opacus; beyond, its series loses all digits."""
TOLERANCE = 1.02
"""Factor by which an epsilon may exceed opacus' bound before the two disagree: both round."""


def opacus_epsilon(expenses: Sequence[AnyPrivacyEvent], delta: float, adjacency: Adjacency) -> float:
    """Computes opacus' RDP bound.

    Opacus does not know "replace" in a Poisson sample, and gets discrete noise as the Gaussian noise that approximates
    it.

    Args:
        expenses: What was released.
        delta: In (0, 1).
        adjacency: "zero_out" or "replace".

    Returns:
        Epsilon; inf where opacus has no bound.
    """
    comparison = approximate_by_gaussian(expenses)
    if comparison is None:
        return math.inf
    if adjacency == "replace" and any(expense.rate < 1 for expense in comparison.expenses):
        return math.inf
    from opacus.accountants import RDPAccountant  # imported here: it takes a second and clients never need it

    half = 2.0 if adjacency == "replace" else 1.0
    accountant = RDPAccountant()
    accountant.history = [(one.multiplier / half, one.rate, one.count) for one in comparison.expenses if one.count]
    if any(not 1e-2 < multiplier < MOST_MULTIPLIER for multiplier, _, _ in accountant.history):
        return math.inf
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order is the")  # then the bound is loose, and still one
        found = accountant.get_epsilon(delta * math.exp(-comparison.slack), alphas=list(ORDERS))
    return float(found) + 2 * comparison.slack


def describe_disagreement(epsilon: float, other: float) -> str:
    """Compares an epsilon with another bound of the same releases.

    The epsilon is the least of several bounds; only rounding may put it above a valid one.

    Args:
        epsilon: Our epsilon.
        other: The other bound.

    Returns:
        One line where the epsilon is larger; "" where the two agree.
    """
    if epsilon <= TOLERANCE * other + 1e-6:
        return ""
    return f"epsilon {epsilon:.4g} is above opacus' bound, {other:.4g}: one of the two is not as tight as it should be."
