"""The noise that a target epsilon takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count

from fedsilo.core.errors import PrivacyBudgetError
from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent
from fedsilo.privacy.accounting.accountants import epsilon, quick_epsilon

SMALLEST, LARGEST = 1e-3, 1e5
"""Where a multiplier is looked for."""
PRECISION = 2e-5
"""Relative distance of the returned multiplier from the least one that will do, about."""
ROUGH = 1e-4
"""The same where epsilon jumps: the tight accountant rounds to a grid that depends on the multiplier."""
PATIENCE = 9
"""Steps after which a search is taken to stand before such a jump; it halves its interval from there on."""

SearchCallback = Callable[[float, float], None]
"""on_answer(multiplier, epsilon): what the tight accountant has answered."""


def solve_multiplier(
    target: float,
    delta: float,
    expenses_of: Callable[[float], Sequence[AnyPrivacyEvent]],
    adjacency: Adjacency = "zero_out",
    on_answer: SearchCallback = lambda multiplier, epsilon: None,
) -> float:
    """Returns the least noise multiplier, to 1e-4 of itself, whose releases spend at most the target.

    Accounting for `expenses_of` of what is returned gives an epsilon <= target. First by the quick bounds alone, then
    by all of them between 0.6 and 1 of that: a search from far below would take minutes in the tight accountant. The
    tight accountant is asked 40 times at most, each time for less than a second.

    Args:
        target: Epsilon, > 0.
        delta: In (0, 1).
        expenses_of: Everything that is released when the noise multiplier is the argument; more noise, less spent.
        adjacency: What neighbours are.
        on_answer: Called whenever the tight accountant has answered.

    Returns:
        In [1e-3, 1e5]; 1e-3 where the releases spend nothing under any noise.

    Raises:
        PrivacyBudgetError: No multiplier up to 1e5 is enough, 1e-3 spends less than the target already, or an argument
            is out of range.
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


def _smallest(target: float, spent: float, delta: float) -> float:
    """The smallest multiplier, for releases that spend nothing; a target above what it spends is a mistake."""
    if spent == 0:
        return SMALLEST
    raise PrivacyBudgetError(
        f"epsilon {target:g}: protects nothing: noise of {SMALLEST:g} times the sensitivity, the least there is, "
        f"spends {spent:.4g} at delta {delta:g}. Ask for less than that, or do without privacy."
    )


def _crossing(
    spent: Callable[[float], float], target: float, low: float, high: float, precision: float, patience: float
) -> float:
    """The least multiplier that spends at most the target, from above; `high` does."""
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
