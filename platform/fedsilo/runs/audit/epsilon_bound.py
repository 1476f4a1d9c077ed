"""The lower bound on epsilon from guesses of fair coins, and the largest bound that the number of guesses allows.

The number of guesses is a choice. Several numbers are tried; all of them, for all attacks of an audit, divide the error
probability, so the best bound can be reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedsilo.runs.audit.binomial_bounds import one_run_bound

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class OneRun:
    """The lower bound on epsilon from the trials, and the numbers behind it.

    Attributes:
        epsilon: Lower bound on the training's epsilon, with `confidence`; 0 if nothing was found.
        most: The bound if every guess had been correct; a larger epsilon cannot be contradicted by these trials.
        delta: Delta of the bound.
        confidence: 0.95.
        runs: Number of trials.
        canaries: Number of units whose membership was a fair coin, over all trials.
        guesses: Number of guesses.
        right: Number of correct guesses.
    """

    epsilon: float
    most: float
    delta: float
    confidence: float
    runs: int
    canaries: int
    guesses: int
    right: int


@dataclass(frozen=True, slots=True)
class Coins:
    """The coins of all trials.

    Attributes:
        count: Number of coins, over all trials.
        runs: Number of trials.
        delta: Delta of the bound.
    """

    count: int
    runs: int
    delta: float


def prove_bound(coins: Coins, tried: Sequence[tuple[int, int]], among: int = 1) -> OneRun:
    """Computes the best bound over several numbers of guesses.

    Args:
        coins: The coins.
        tried: Number of guesses and number of correct ones; the number of guesses must not depend on the coins.
        among: Number of attacks in the audit.

    Returns:
        The best bound.
    """
    confidence = 1 - (1 - CONFIDENCE) / (len(tried) * among)

    def bound(guesses: int, right: int) -> float:
        return one_run_bound(coins.count, guesses, right, coins.delta, confidence)

    most = max(bound(guesses, guesses) for guesses, _ in tried)
    found = [
        OneRun(bound(guesses, right), most, coins.delta, CONFIDENCE, coins.runs, coins.count, guesses, right)
        for guesses, right in tried
    ]
    return max(found, key=lambda one: one.epsilon)
