"""What guesses about membership say of epsilon, from below, with a confidence.

Two bounds, which need different things to be true:

* `one_run_bound`: each of m examples was in or out by a fair coin of its own. It holds for any (epsilon, delta) private
  training, however much the examples depend on one another through the one model that they are guessed from. Several
  runs with coins of their own count as one: a coin is thrown for one run only, so all of them together are as private
  in each coin as one is. The guesses may use anything but the coins.
* `rates_bound`: true and false positive rates are those of a test that was done anew for every example. For examples of
  one run that is not so; the number is then what is customary, and not a bound.

Source: Steinke, Nasr, Jagielski, "Privacy Auditing with One (1) Training Run", NeurIPS 2023, arXiv:2305.08846, theorem
5.2 and appendix D; for the rates Kairouz, Oh, Viswanath, arXiv:1311.0776, with Clopper and Pearson's intervals
(Biometrika 1934).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv
from scipy.stats import binom

PRECISION = 1e-6
"""How closely epsilon is found, from below."""


def clopper_pearson(hits: ArrayLike, trials: ArrayLike, confidence: float) -> tuple[NDArray[np.float64], ...]:
    """Returns the exact two-sided interval (low, high) of a rate; each end by itself fails with (1 - confidence) / 2.

    Args:
        hits: Successes, 0 to `trials`; any shape.
        trials: Trials, >= 1.
        confidence: Of the interval, in (0, 1).
    """
    k, n = np.asarray(hits, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    tail = (1 - confidence) / 2
    # Where an end is 0 or 1 the formula has a parameter 0, which is put aside.
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
    """Returns the largest epsilon >= 0 that the rates exclude, if every example were a trial of its own.

    The lower end of the true positive rate and the upper end of the false positive rate hold together with the
    confidence. Under (epsilon, delta) privacy TPR <= e^epsilon FPR + delta, and the same for what is not guessed.

    Args:
        true_positives: Members guessed to be members; any shape.
        members: How many there are, >= 1.
        false_positives: Others guessed to be members.
        others: How many there are, >= 1.
        delta: In [0, 1).
        confidence: In (0, 1).
    """
    right = clopper_pearson(true_positives, members, confidence)[0]
    wrong = clopper_pearson(false_positives, others, confidence)[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.fmax(np.log((right - delta) / wrong), np.log((1 - wrong - delta) / (1 - right)))
    return np.fmax(found, 0.0)


def one_run_bound(canaries: int, guesses: int, right: int, delta: float, confidence: float) -> float:
    """Returns the largest epsilon >= 0 that so many right guesses exclude, 0 if they exclude none.

    Args:
        canaries: Examples whose membership was a fair coin.
        guesses: How many of them were guessed; which and how many must not depend on the coins.
        right: Guesses that were right.
        delta: In [0, 1).
        confidence: In (0, 1).
    """
    tail = 1 - confidence
    if not guesses or chance(canaries, guesses, right, 0.0, delta) >= tail:
        return 0.0
    low, high = 0.0, 1.0
    while chance(canaries, guesses, right, high, delta) < tail:
        low, high = high, 2 * high
    while high - low > PRECISION:
        middle = (low + high) / 2
        if chance(canaries, guesses, right, middle, delta) < tail:
            low = middle
        else:
            high = middle
    return low


def chance(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Returns the largest chance, under (epsilon, delta) privacy, of at least so many right guesses (theorem 5.2)."""
    each = 1 / (1 + math.exp(-epsilon))
    found = float(binom.sf(right - 1, guesses, each))
    if delta and right:
        # P[right > X >= right - i] / i for every i; the worst one is what delta can add.
        below = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), guesses, each))
        found += float((below / np.arange(1, right + 1)).max()) * 2 * canaries * delta
    return min(found, 1.0)
