"""How well scores separate members from others: success at a threshold, the ROC curve, and values by chance.

Dimensions: n examples, K classes, P permutations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fedsilo.core import Indices
from fedsilo.runs.audit.audited_images import Flags
from fedsilo.runs.audit.model_scores import Scores

LOW_RATE = 0.01
"""The false positive rate at which the true positive rate is reported."""

POINTS = 200
"""Most points of a curve in the document."""


@dataclass(frozen=True, slots=True)
class ScoredExamples:
    """Scores of examples with the true membership.

    Attributes:
        scores: Scores (n,); a higher score speaks for membership.
        members: The true membership (n,).
        labels: Classes (n,).
    """

    scores: Scores
    members: Flags
    labels: Indices

    def permute_members(self, generator: np.random.Generator) -> ScoredExamples:
        """Permutes the membership at random within each class.

        Args:
            generator: Source of randomness.

        Returns:
            The same scores with the permuted membership.
        """
        # Sorted by class with ties broken at random, against sorted by class: a permutation inside each class.
        mixed = np.lexsort((generator.random(len(self.labels)), self.labels))
        members = np.empty_like(self.members)
        members[np.argsort(self.labels, kind="stable")] = self.members[mixed]
        return ScoredExamples(self.scores, members, self.labels)

    def toss_members(self, generator: np.random.Generator) -> ScoredExamples:
        """Replaces the membership by new fair coins.

        Args:
            generator: Source of randomness.

        Returns:
            The same scores with the new membership.
        """
        return ScoredExamples(self.scores, generator.random(len(self.members)) < 0.5, self.labels)


@dataclass(frozen=True, slots=True)
class Rates:
    """How well scores separate members from others, each in [0, 1].

    Attributes:
        success: Mean over classes of (TPR + TNR) / 2; 0.5 is guessing.
        auc: Probability that a member scores higher than a non-member; 0.5 is guessing.
        tpr_at_low_fpr: True positive rate at the threshold with a false positive rate of 1 %; 0.01 is guessing.
    """

    success: float
    auc: float
    tpr_at_low_fpr: float


def compute_rates(judged: ScoredExamples, threshold: float) -> Rates:
    """Computes the rates.

    Args:
        judged: Scores with the true membership.
        threshold: Scores above it are guessed to be members.

    Returns:
        The rates.
    """
    false, true = compute_curve(judged.scores, judged.members)
    return Rates(compute_success(judged, threshold), compute_auc(false, true), find_tpr(false, true, LOW_RATE))


def compute_success(judged: ScoredExamples, threshold: float) -> float:
    """Computes the balanced success, with equal weight for every class that has members and non-members.

    Args:
        judged: Scores with the true membership.
        threshold: Scores above it are guessed to be members.

    Returns:
        Mean over classes of (TPR + TNR) / 2.
    """
    right = (judged.scores > threshold) == judged.members
    kinds = int(judged.labels.max(initial=0)) + 1
    sides = []
    for side in (judged.members, ~judged.members):
        counts = np.bincount(judged.labels[side], minlength=kinds)
        hits = np.bincount(judged.labels[side & right], minlength=kinds)
        sides.append(np.divide(hits, counts, out=np.full(kinds, np.nan), where=counts > 0))
    return float(np.nanmean(np.mean(sides, axis=0)))


def compute_curve(scores: Scores, members: Flags) -> tuple[Scores, Scores]:
    """Computes the ROC curve from (0, 0) to (1, 1), with one point for each distinct score.

    Args:
        scores: Scores (n,).
        members: The true membership (n,).

    Returns:
        False positive rates and true positive rates, ascending.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    inside = np.cumsum(members[order])[ends]
    outside = ends + 1 - inside
    return np.append(0.0, outside / outside[-1]), np.append(0.0, inside / inside[-1])


def compute_auc(false: Scores, true: Scores) -> float:
    """Computes the area under an ROC curve, in which ties count half.

    Args:
        false: False positive rates, ascending.
        true: True positive rates, ascending.

    Returns:
        The area, in [0, 1].
    """
    return float((np.diff(false) * (true[1:] + true[:-1])).sum() / 2)


def find_tpr(false: Scores, true: Scores, rate: float) -> float:
    """Reads the true positive rate at the loosest threshold with a false positive rate of at most `rate`.

    Args:
        false: False positive rates, ascending.
        true: True positive rates, ascending.
        rate: Largest false positive rate.

    Returns:
        The true positive rate.
    """
    return float(true[np.searchsorted(false, rate, side="right") - 1])


def thin(false: Scores, true: Scores) -> list[tuple[float, float]]:
    """Selects at most `POINTS` points of an ROC curve, with both ends.

    Args:
        false: False positive rates, ascending.
        true: True positive rates, ascending.

    Returns:
        Points (false positive rate, true positive rate).
    """
    chosen = np.unique(np.linspace(0, len(false) - 1, POINTS).round().astype(int))
    return [(float(false[point]), float(true[point])) for point in chosen]


def find_threshold(judged: ScoredExamples) -> float:
    """Finds the threshold with the best balanced success over all classes together.

    Args:
        judged: Scores with the true membership.

    Returns:
        The threshold, halfway between two scores, or infinite.
    """
    false, true = compute_curve(judged.scores, judged.members)
    values = np.unique(judged.scores)[::-1]
    best = int((true - false).argmax())
    if best == 0:
        return float(np.inf)
    return float(values[best - 1] + values[min(best, len(values) - 1)]) / 2 if best < len(values) else -np.inf


def permute_rates(
    judged: ScoredExamples, threshold: float, times: int, generator: np.random.Generator
) -> Iterator[Rates]:
    """Computes the rates of permuted membership.

    Args:
        judged: Scores with the true membership.
        threshold: Scores above it are guessed to be members.
        times: Number of permutations.
        generator: Source of randomness.

    Yields:
        The rates of each permutation.
    """
    for _ in range(times):
        yield compute_rates(judged.permute_members(generator), threshold)
