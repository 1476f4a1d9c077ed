"""LiRA: the likelihood ratio of an example's confidence under models that were trained on it and models that were not.

The confidence phi = log(p_y / (1 - p_y)) of an example is nearly normal over shadow models. Each example has its own
means with and without it in training; the variance is the same for all examples, as the paper advises for fewer than 64
shadow models. With k models a mean is uncertain, so the likelihood of a new value has variance s^2 (1 + 1/k). An
example that was in all shadow models, or in none, gets its missing mean from the mean difference over all examples.

Source: Carlini et al., "Membership Inference Attacks From First Principles", S&P 2022, arXiv:2112.03570, algorithm 1.

Dimensions: n rows of the population, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from fedsilo.runs.audit.audited_images import Flags, Population
from fedsilo.runs.audit.model_scores import Observation, Scores

LEAST_VARIANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Side:
    """The confidence of every example in models of one kind, trained on it or not.

    Attributes:
        means: Mean confidence (n,); nan where there is no such model.
        counts: Number of models (n,).
        variance: Variance of a confidence around its mean, over all examples; nan if no example has two models.
    """

    means: Scores
    counts: Scores
    variance: float


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """The attack before training."""

    name = "likelihood ratio"
    decides_at = None

    def fit(self, references: Sequence[Observation], population: Population) -> FittedRatio:
        """Estimates the confidences of every example with and without it in training.

        Args:
            references: Runs with known membership.
            population: The rows.

        Returns:
            The attack after training.
        """
        values = np.stack([compute_confidence(seen, population) for seen in references])
        members = np.stack([seen.members & seen.sound for seen in references])
        others = np.stack([~seen.members for seen in references])
        inside, outside = _side(values, members), _side(values, others)
        shift = _mean(inside.means - outside.means, default=0.0)
        spread = _mean(np.array([inside.variance, outside.variance]), default=1.0)
        return FittedRatio(
            _complete(inside, outside.means + shift, spread), _complete(outside, inside.means - shift, spread)
        )


@dataclass(frozen=True, slots=True)
class FittedRatio:
    """The attack after training.

    Attributes:
        inside: Confidence under models that were trained on the example.
        outside: Confidence under models that were not.
    """

    inside: Side
    outside: Side

    def scores(self, seen: Observation, population: Population) -> Scores:
        """Scores the rows of a run.

        Args:
            seen: The run's models.
            population: The rows.

        Returns:
            Log likelihood ratios (n,); a value above 0 speaks for membership.
        """
        value = compute_confidence(seen, population)
        return _log_likelihood(value, self.inside) - _log_likelihood(value, self.outside)


def compute_confidence(seen: Observation, population: Population) -> Scores:
    """Computes the confidence log(p_y / (1 - p_y)) of each row's class.

    It is computed from logarithms, so that no probability is rounded to 0 or 1.

    Args:
        seen: A run's models.
        population: The rows.

    Returns:
        Confidences (n,).
    """
    every = seen.log_probabilities
    own = np.arange(every.shape[1]) == population.labels[:, None]
    right: Scores = every[own]
    wrong: Scores = logsumexp(np.where(own, -np.inf, every), axis=1)
    return np.subtract(right, wrong)


def _side(values: Scores, chosen: Flags) -> Side:
    """Means over runs of the chosen confidences (runs, n)."""
    counts = chosen.sum(axis=0).astype(np.float64)
    sums = np.where(chosen, values, 0.0).sum(axis=0)
    means = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    squares = np.where(chosen, np.square(values - means), 0.0).sum()
    freedom = np.maximum(counts - 1, 0).sum()
    return Side(means, counts, float(squares / freedom) if freedom else np.nan)


def _complete(side: Side, otherwise: Scores, spread: float) -> Side:
    """The side with a mean for every example; an inferred mean counts as one model."""
    missing = np.isnan(side.means)
    variance = spread if np.isnan(side.variance) else side.variance
    return Side(np.where(missing, otherwise, side.means), np.maximum(side.counts, 1), max(variance, LEAST_VARIANCE))


def _log_likelihood(value: Scores, side: Side) -> Scores:
    variance = side.variance * (1 + 1 / side.counts)
    found: Scores = -0.5 * (np.square(value - side.means) / variance + np.log(variance))
    return found


def _mean(values: Scores, default: float) -> float:
    """The mean of the values that are not nan."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else default
