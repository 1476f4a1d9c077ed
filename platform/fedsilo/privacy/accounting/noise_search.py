"""Search for the noise that a target epsilon needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import count

from fedsilo.core.errors import PrivacyBudgetError
from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
from fedsilo.privacy.accounting.epsilon_bounds import epsilon, quick_epsilon

SMALLEST, LARGEST = 1e-3, 1e5
"""Range of multipliers that is searched."""
PRECISION = 2e-5
"""Relative distance, about, of the returned multiplier from the least one that meets the target."""
ROUGH = 1e-4
"""The same where epsilon jumps: the tight accountant rounds to a grid that depends on the multiplier."""
PATIENCE = 9
"""Steps after which a search assumes such a jump, and halves its interval from there on."""

Plan = tuple[AnyPrivacyEvent, ...]
"""The releases that one client's part in a run will make."""
SearchCallback = Callable[[float, float], None]
"""on_answer(multiplier, epsilon): called with each answer of the tight accountant."""


def solve_multiplier(
    target: float,
    delta: float,
    expenses_of: Callable[[float], Sequence[AnyPrivacyEvent]],
    adjacency: Adjacency = "zero_out",
    on_answer: SearchCallback = lambda multiplier, epsilon: None,
) -> float:
    """Finds the least noise multiplier, to 1e-4 of itself, whose releases spend at most the target.

    Accounting for `expenses_of` of the result gives an epsilon <= target. The search first uses the quick bounds alone,
    then
    all bounds between 0.6 and 1 times that result: a search from far below would take minutes in the tight accountant.
    The
    tight accountant is called at most 40 times, each time for less than a second.

    Args:
        target: Epsilon, > 0.
        delta: In (0, 1).
        expenses_of: Returns everything that is released under a given noise multiplier; more noise must spend less.
        adjacency: "zero_out" or "replace".
        on_answer: Called after each answer of the tight accountant.

    Returns:
        In [1e-3, 1e5]; 1e-3 where the releases spend nothing under any noise.

    Raises:
        PrivacyBudgetError: No multiplier up to 1e5 is enough, 1e-3 spends less than the target already, or an argument
            is
            out of range.
    """
    if not 0 < target < math.inf:
        raise PrivacyBudgetError(f"epsilon: must be a number > 0, got {target}.")

    @cache
    def quick(multiplier: float) -> float:
        return quick_epsilon(expenses_of(multiplier), delta, adjacency)

    @cache
    def exact(multiplier: float) -> float:
        found = epsilon(expenses_of(multiplier), delta, adjacency).epsilon
        on_answer(multiplier, found)
        return found

    if quick(LARGEST) > target and exact(LARGEST) > target:
        raise PrivacyBudgetError(
            f"epsilon {target:g}: cannot be reached: with noise of {LARGEST:g} times the sensitivity the releases "
            f"still spend {exact(LARGEST):.4g} at delta {delta:g}. Release less, sample less, or allow more."
        )
    high = _crossing(quick, target, SMALLEST, LARGEST, 1e-2, math.inf)
    low = max(SMALLEST, 0.6 * high)
    for step in count():
        if exact(low) > target or high == SMALLEST:
            break
        low, high = max(SMALLEST, low * 0.6 ** max(1, step)), low
    if high == SMALLEST:
        return _smallest(target, exact(SMALLEST), delta)
    return _crossing(exact, target, low, high, PRECISION, PATIENCE)


def solve_for_plans(
    target: float,
    delta: float,
    plans: Sequence[Plan],
    restate: Callable[[Plan, float], Sequence[AnyPrivacyEvent]],
    adjacency: Adjacency,
) -> float:
    """Finds the least noise multiplier under which no plan spends more than the target.

    The multiplier is solved for the costliest plan and checked on all others.

    Args:
        target: Epsilon, > 0.
        delta: In (0, 1).
        plans: The releases of each client that must be accounted for.
        restate: Describes a plan's releases under a given noise multiplier.
        adjacency: "zero_out" or "replace".

    Returns:
        The multiplier; 1 where there are no plans.

    Raises:
        PrivacyBudgetError: As `solve_multiplier`.
    """
    solved, left = 0.0, sorted(plans, key=_weight)
    while left:
        worst = left.pop()
        solved = max(solved, solve_multiplier(target, delta, partial(restate, worst), adjacency))
        left = [plan for plan in left if epsilon(restate(plan, solved), delta, adjacency).epsilon > target]
    return solved or 1.0


def _weight(plan: Plan) -> float:
    """First-order cost of a plan: every release counts the square of its rate."""
    return sum(expense.count * expense.rate**2 for expense in plan)


def _smallest(target: float, spent: float, delta: float) -> float:
    """The smallest multiplier, for releases that spend nothing; a target above what they spend is refused."""
    if spent == 0:
        return SMALLEST
    raise PrivacyBudgetError(
        f"epsilon {target:g}: protects nothing: noise of {SMALLEST:g} times the sensitivity, the least there is, "
        f"spends {spent:.4g} at delta {delta:g}. Ask for less than that, or do without privacy."
    )


def _crossing(
    spent: Callable[[float], float], target: float, low: float, high: float, precision: float, patience: float
) -> float:
    """The least multiplier, rounded up, that spends at most the target; `high` spends at most that."""
    if spent(low) <= target:
        return low
    above, below = _excess(spent(low), target), _excess(spent(high), target)
    for step in count():
        width = math.log(high / low)
        if width <= (precision if step <= patience else ROUGH):
            break
        # Epsilon is near a power of the multiplier: a secant of the logarithms, a little to either side in turn so
        # that the two ends meet; every third time the middle, which is always safe.
        jumps = step >= patience or not math.isfinite(above - below)
        share = above / (above - below) if not jumps and step % 3 < 2 else 0.5
        nudge = (0.3 if step % 2 else -0.3) * precision / width
        guess = low * (high / low) ** min(0.99, max(0.01, share + nudge))
        excess = _excess(spent(guess), target)
        if excess > 0:
            low, above = guess, excess
        else:
            high, below = guess, excess
    return high


def _excess(spent: float, target: float) -> float:
    return math.log(spent / target) if spent > 0 else -math.inf
