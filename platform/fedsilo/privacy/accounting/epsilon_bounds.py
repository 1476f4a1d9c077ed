"""The epsilon of a list of privacy events: the least of several upper bounds, each of which is valid.

- closed form: exact, for Gaussian releases that contain every unit.
- without sampling: the closed form with no credit for sampling; only where there is sampling.
- never sampled: 0, where the unit is in any release at all with probability at most delta, whatever the noise.
- pld: privacy loss distributions, nearly exact.
- rdp: Renyi differential privacy.

Discrete Gaussian noise is accounted directly and by the Gaussian noise that approximates it, see `discrete_sum`.

What is guaranteed: the releases together are (epsilon, delta) differentially private, also where each release is chosen
after seeing those before it (adaptive composition).
What is assumed: each event describes its release correctly. The noise is independent of everything else, one unit's
contribution is bounded by the sensitivity, and each unit is in a release with the event's rate, independently.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from fedsilo.core.errors import PrivacyBudgetError
from fedsilo.core.privacy_events import ADJACENCIES, Adjacency, AnyPrivacyEvent, DiscretePrivacyEvent, PrivacyEvent
from fedsilo.privacy.accounting.discrete_sum import GaussianApproximation, approximate_by_gaussian, direct_curve
from fedsilo.privacy.accounting.gaussian_releases import gaussian_epsilon
from fedsilo.privacy.accounting.pld import loss_epsilon
from fedsilo.privacy.accounting.rdp import gaussian_curve, renyi_epsilon, sum_curves

CLOSED_FORM, UNSAMPLED, LOSSES, RENYI = "closed form", "without sampling", "pld", "rdp"
NEVER_SAMPLED = "never sampled"


@dataclass(frozen=True, slots=True)
class AccountedEpsilon:
    """What releases have spent.

    Attributes:
        epsilon: The least of the bounds, in [0, inf].
        delta: The delta at which epsilon holds.
        by_accountant: Upper bound by name of the accountant; inf where the accountant has none. The releases decide
            which
            accountants apply.
    """

    epsilon: float
    delta: float
    by_accountant: Mapping[str, float]


def epsilon(expenses: Sequence[AnyPrivacyEvent], delta: float, adjacency: Adjacency = "zero_out") -> AccountedEpsilon:
    """Computes the epsilon of all releases together, however each depends on the ones before.

    Args:
        expenses: What was released; an empty sequence spends nothing. Equal releases are counted together.
        delta: In (0, 1).
        adjacency: "zero_out" or "replace", see `core.privacy_events`.

    Returns:
        The least bound, and all bounds.

    Raises:
        PrivacyBudgetError: delta or adjacency are out of range.
    """
    _check(delta, adjacency)
    merged = merge(expenses)
    bounds = _quick_bounds(merged, delta, adjacency)
    comparison = approximate_by_gaussian(merged)
    if comparison and CLOSED_FORM not in bounds and NEVER_SAMPLED not in bounds:
        bounds[LOSSES] = _carry_over(comparison, delta, lambda d: loss_epsilon(comparison.expenses, d, adjacency))
    return AccountedEpsilon(min(bounds.values()), delta, bounds)


def quick_epsilon(expenses: Sequence[AnyPrivacyEvent], delta: float, adjacency: Adjacency = "zero_out") -> float:
    """Computes an upper bound of epsilon in a few milliseconds, without privacy loss distributions.

    Args:
        expenses: What was released.
        delta: In (0, 1).
        adjacency: "zero_out" or "replace".

    Returns:
        In [0, inf].

    Raises:
        PrivacyBudgetError: delta or adjacency are out of range.
    """
    _check(delta, adjacency)
    return min(_quick_bounds(merge(expenses), delta, adjacency).values())


def merge(expenses: Sequence[AnyPrivacyEvent]) -> list[AnyPrivacyEvent]:
    """Joins equal releases.

    Args:
        expenses: Privacy events.

    Returns:
        One event of each kind with its count; events with count 0 are left out.
    """
    counts: Counter[AnyPrivacyEvent] = Counter()
    for expense in expenses:
        counts[replace(expense, count=1)] += expense.count
    return [replace(expense, count=count) for expense, count in counts.items() if count]


def _quick_bounds(expenses: Sequence[AnyPrivacyEvent], delta: float, adjacency: Adjacency) -> dict[str, float]:
    rdp = renyi_epsilon(direct_curve(expenses, adjacency), delta)
    never = {NEVER_SAMPLED: 0.0} if expenses and chance_to_be_in(expenses) <= delta else {}
    comparison = approximate_by_gaussian(expenses)
    if comparison is None:
        return {RENYI: rdp, **never}
    gaussians = comparison.expenses
    sampled = any(expense.rate < 1 for expense in gaussians)
    unsampled = _carry_over(comparison, delta, lambda d: gaussian_epsilon(_mu(gaussians, adjacency), d))
    if any(isinstance(expense, DiscretePrivacyEvent) for expense in expenses):
        curve = sum_curves([gaussian_curve(expense, adjacency) for expense in gaussians])
        rdp = min(rdp, _carry_over(comparison, delta, lambda d: renyi_epsilon(curve, d)))
    return {UNSAMPLED if sampled else CLOSED_FORM: unsampled, RENYI: rdp, **never}


def chance_to_be_in(expenses: Sequence[AnyPrivacyEvent]) -> float:
    """Computes the probability that a unit is in at least one release.

    If the unit is in no release, the releases have the neighbour's distribution. Both can be drawn so that they differ
    with
    this probability only, which is therefore a delta at epsilon 0.

    Args:
        expenses: Privacy events.

    Returns:
        In [0, 1].
    """
    if any(expense.rate == 1 and expense.count for expense in expenses):
        return 1.0
    return -math.expm1(sum(expense.count * math.log1p(-expense.rate) for expense in expenses if expense.count))


def _carry_over(comparison: GaussianApproximation, delta: float, epsilon_at: Callable[[float], float]) -> float:
    """The epsilon of releases, from that of the Gaussian releases that approximate them."""
    return epsilon_at(delta * math.exp(-comparison.slack)) + 2 * comparison.slack


def _mu(expenses: Sequence[PrivacyEvent], adjacency: Adjacency) -> float:
    """The mu of releases that contain every unit."""
    squares = sum((e.count / e.multiplier / e.multiplier if e.multiplier else math.inf) for e in expenses)
    return math.sqrt(squares) * (1 if adjacency == "zero_out" else 2)


def _check(delta: float, adjacency: Adjacency) -> None:
    if not 0 < delta < 1:
        raise PrivacyBudgetError(f"delta: must be in (0, 1), got {delta}.")
    if adjacency not in ADJACENCIES:
        raise PrivacyBudgetError(f"adjacency: must be one of {', '.join(ADJACENCIES)}, got {adjacency!r}.")
