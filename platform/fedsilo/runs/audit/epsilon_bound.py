"""The bound on epsilon from guesses at fair coins, and the largest one that so many guesses could have given.

How many coins are guessed is a choice. Several are tried, and all of them, of all attacks that are made at once, share
the chance of error, so the best of them can be said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedsilo.runs.audit.binomial_bounds import one_run_bound

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class OneRun:
    """The bound on epsilon from the trials, and what it was made of.

    Attributes:
        epsilon: What the training cannot be better than, with `confidence`; 0 if nothing was found.
        most: The epsilon if every guess had been right: no larger one can be contradicted by so many trials.
        delta: The delta it is stated at.
        confidence: 0.95.
        runs: Trials.
        canaries: Units whose membership a fair coin decided, over all trials.
        guesses: How many of them were guessed.
        right: Right guesses.
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
        count: How many, over all trials.
        runs: Trials.
        delta: At which epsilon is asked for.
    """

    count: int
    runs: int
    delta: float


def proved(coins: Coins, tried: Sequence[tuple[int, int]], among: int = 1) -> OneRun:
    """Returns the best bound over several numbers of guesses.

    Args:
        coins: The coins.
        tried: Guesses, and how many of them were right; how many are guessed must not depend on the coins.
        among: Attacks that are made at once.
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
