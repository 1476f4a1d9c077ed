"""How well scores tell members from others: success at a threshold, the curve, and what chance would give.

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
"""The false positive rate at which the true positive rate is said."""

POINTS = 200
"""Points of a curve that are kept."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Examples that were guessed at.

    Attributes:
        scores: (n,) higher speaks for membership.
        members: (n,) the truth.
        labels: (n,) their classes.
    """

    scores: Scores
    members: Flags
    labels: Indices

    def shuffled(self, generator: np.random.Generator) -> Judged:
        """Returns the same with membership dealt anew by chance, class by class."""
        # Sorted by class with ties broken at random, against sorted by class: a permutation inside each class.
        mixed = np.lexsort((generator.random(len(self.labels)), self.labels))
        members = np.empty_like(self.members)
        members[np.argsort(self.labels, kind="stable")] = self.members[mixed]
        return Judged(self.scores, members, self.labels)

    def tossed(self, generator: np.random.Generator) -> Judged:
        """Returns the same with membership by new fair coins."""
        return Judged(self.scores, generator.random(len(self.members)) < 0.5, self.labels)


@dataclass(frozen=True, slots=True)
class Rates:
    """How well scores tell members from others, each in [0, 1].

    Attributes:
        success: Mean over classes of the mean of true positive and true negative rate; 0.5 is guessing.
        auc: Chance that a member scores above another example; 0.5 is guessing.
        tpr_at_low_fpr: Members found at the threshold that 1 % of the others pass; 0.01 is guessing.
    """

    success: float
    auc: float
    tpr_at_low_fpr: float


def rates(judged: Judged, threshold: float) -> Rates:
    """Returns the rates; scores above the threshold are guessed to be members."""
    false, true = curve(judged.scores, judged.members)
    return Rates(success(judged, threshold), auc(false, true), tpr_at(false, true, LOW_RATE))


def success(judged: Judged, threshold: float) -> float:
    """Returns the mean over classes, each alike, of (TPR + TNR) / 2; classes without members or others do not count."""
    right = (judged.scores > threshold) == judged.members
    kinds = int(judged.labels.max(initial=0)) + 1
    sides = []
    for side in (judged.members, ~judged.members):
        counts = np.bincount(judged.labels[side], minlength=kinds)
        hits = np.bincount(judged.labels[side & right], minlength=kinds)
        sides.append(np.divide(hits, counts, out=np.full(kinds, np.nan), where=counts > 0))
    return float(np.nanmean(np.mean(sides, axis=0)))


def curve(scores: Scores, members: Flags) -> tuple[Scores, Scores]:
    """Returns false and true positive rates from (0, 0) to (1, 1), one point for each score that occurs."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    inside = np.cumsum(members[order])[ends]
    outside = ends + 1 - inside
    return np.append(0.0, outside / outside[-1]), np.append(0.0, inside / inside[-1])


def auc(false: Scores, true: Scores) -> float:
    """Returns the area under a curve, which counts ties half."""
    return float((np.diff(false) * (true[1:] + true[:-1])).sum() / 2)


def tpr_at(false: Scores, true: Scores, rate: float) -> float:
    """Returns the true positive rate at a curve's loosest threshold whose false positive rate is at most `rate`."""
    return float(true[np.searchsorted(false, rate, side="right") - 1])


def thinned(false: Scores, true: Scores) -> list[tuple[float, float]]:
    """Returns at most `POINTS` points of a curve, its ends among them."""
    chosen = np.unique(np.linspace(0, len(false) - 1, POINTS).round().astype(int))
    return [(float(false[point]), float(true[point])) for point in chosen]


def best_threshold(judged: Judged) -> float:
    """Returns the threshold with the best balanced success on these, all classes together; halfway between scores."""
    false, true = curve(judged.scores, judged.members)
    values = np.unique(judged.scores)[::-1]
    best = int((true - false).argmax())
    if best == 0:
        return float(np.inf)
    return float(values[best - 1] + values[min(best, len(values) - 1)]) / 2 if best < len(values) else -np.inf


def by_chance(judged: Judged, threshold: float, times: int, generator: np.random.Generator) -> Iterator[Rates]:
    """Yields the rates under so many permutations of membership inside classes."""
    for _ in range(times):
        yield rates(judged.shuffled(generator), threshold)
