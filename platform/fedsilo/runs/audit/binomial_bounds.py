"""Lower bounds on epsilon from guesses of membership, with a confidence.

The two bounds need different conditions:

* `one_run_bound`: an independent fair coin decided the membership of each of m examples. The bound holds for any
  (epsilon, delta) private training, however much the examples depend on each other through the model. Several runs with
  independent coins count as one run: each coin affects one run only, so all runs together are as private in each coin
  as one run. The guesses may use everything except the coins.
* `rates_bound`: true and false positive rates come from a test that was repeated independently for every example. This
  is not true for examples of one run; the number is then customary, but not a bound.

Source: Steinke, Nasr, Jagielski, "Privacy Auditing with One (1) Training Run", NeurIPS 2023, arXiv:2305.08846, theorem
5.2 and appendix D; for the rates Kairouz, Oh, Viswanath, arXiv:1311.0776, with the intervals of Clopper and Pearson
(Biometrika 1934).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv
from scipy.stats import binom

PRECISION = 1e-6
"""Largest error of the epsilon that is found, from below."""


def clopper_pearson(hits: ArrayLike, trials: ArrayLike, confidence: float) -> tuple[NDArray[np.float64], ...]:
    """Computes the exact two-sided interval of a rate; each end fails with probability (1 - confidence) / 2.

    Args:
        hits: Successes, 0 to `trials`; any shape.
        trials: Trials, >= 1; the same shape.
        confidence: Confidence of the interval, in (0, 1).

    Returns:
        Lower and upper ends, in the shape of `hits`.
    """
    k, n = np.asarray(hits, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    tail = (1 - confidence) / 2
    # Where an end is 0 or 1, a parameter of the formula would be 0.
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, tail), 0.0)
    high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail), 1.0)
    return low, high


def rates_bound(
    true_positives: ArrayLike,
    members: ArrayLike,
    false_positives: ArrayLike,
    others: ArrayLike,
    delta: float,
    confidence: float,
) -> NDArray[np.float64]:
    """Computes the largest epsilon that the rates exclude if every example were an independent trial.

    The lower end of the true positive rate and the upper end of the false positive rate hold together with the
    confidence. Under (epsilon, delta) privacy TPR <= e^epsilon FPR + delta, and the same holds for the complements of
    both rates.

    Args:
        true_positives: Members that are guessed to be members; any shape.
        members: Number of members, >= 1.
        false_positives: Non-members that are guessed to be members.
        others: Number of non-members, >= 1.
        delta: Delta, in [0, 1).
        confidence: Confidence, in (0, 1).

    Returns:
        Epsilon >= 0, in the shape of `true_positives`.
    """
    right = clopper_pearson(true_positives, members, confidence)[0]
    wrong = clopper_pearson(false_positives, others, confidence)[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.fmax(np.log((right - delta) / wrong), np.log((1 - wrong - delta) / (1 - right)))
    return np.fmax(found, 0.0)


def one_run_bound(canaries: int, guesses: int, right: int, delta: float, confidence: float) -> float:
    """Computes the largest epsilon that the number of correct guesses excludes.

    Args:
        canaries: Number of examples whose membership was a fair coin.
        guesses: Number of guesses; which examples are guessed, and how many, must not depend on the coins.
        right: Number of correct guesses.
        delta: Delta, in [0, 1).
        confidence: Confidence, in (0, 1).

    Returns:
        Epsilon >= 0, from below to within `PRECISION`; 0 if no epsilon is excluded.
    """
    tail = 1 - confidence
    if not guesses or largest_chance(canaries, guesses, right, 0.0, delta) >= tail:
        return 0.0
    low, high = 0.0, 1.0
    while largest_chance(canaries, guesses, right, high, delta) < tail:
        low, high = high, 2 * high
    while high - low > PRECISION:
        middle = (low + high) / 2
        if largest_chance(canaries, guesses, right, middle, delta) < tail:
            low = middle
        else:
            high = middle
    return low


def largest_chance(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Computes the largest probability of at least `right` correct guesses under (epsilon, delta) privacy.

    Source: theorem 5.2 of the paper.

    Args:
        canaries: Number of examples whose membership was a fair coin.
        guesses: Number of guesses.
        right: Number of correct guesses.
        epsilon: Epsilon, >= 0.
        delta: Delta, in [0, 1).

    Returns:
        The probability.
    """
    each = 1 / (1 + math.exp(-epsilon))
    found = float(binom.sf(right - 1, guesses, each))
    if delta and right:
        # P[right > X >= right - i] / i for every i; delta adds at most the largest one.
        below = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), guesses, each))
        found += float((below / np.arange(1, right + 1)).max()) * 2 * canaries * delta
    return min(found, 1.0)
