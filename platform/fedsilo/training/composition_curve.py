"""Seen accuracy against unseen accuracy over a bias: what compositional zero-shot learning is measured by.

A bias b is added to the scores of all pairs that are not trained on. With it grows the accuracy U on images of such
pairs, and falls the accuracy S on images of pairs that are trained on. Whether an image is correct at b depends on two
facts: whether its pair has the strictly highest score among the candidates of its own kind, seen or unseen, and on
which side of b its margin lies, the best seen score minus the best unseen one. So the curve is exact, and the tally
is a few numbers for each image, whatever the number of candidates. A tie is an error.

Sources: Purushwalkam et al., "Task-Driven Modular Networks for Zero-Shot Compositional Learning", ICCV 2019,
arXiv:1905.05908 (the curve, its area and its best harmonic mean); Nayak et al., "Learning to Compose Soft Prompts for
Compositional Zero-Shot Learning", ICLR 2023, arXiv:2204.03574 (the released evaluator, `measure_as_released`).

Dimensions: n images, K candidates, A attributes, O objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedsilo.core.batch import ATTRIBUTE, OBJECT, Candidates

Column = NDArray[np.float32] | NDArray[np.bool_]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LOWEST = float(np.finfo(np.float32).min)
"""The best score of a kind without candidates: finite, as all that a client sends."""

RELEASED_OFFSET = 1e-4
"""How far below an image's margin the released evaluator puts its bias, so that the image itself is wrong there."""

RELEASED_BIASES = 20
"""The released evaluator takes every (n // 20)-th margin of the n correct unseen images, or each one."""


def describe_images(scores: Tensor, pair: Tensor, among: Candidates) -> dict[str, Column]:
    """Reduces the scores of each image to what curves need.

    Args:
        scores: (n, K) finite scores on the CPU.
        pair: (n,) int64 candidates that are the images' true pairs.
        among: The candidates. One that is not `allowed` is never predicted; its own images are always wrong.

    Returns:
        Columns (n,): "seen", whether the true pair is trained on; "own", whether the measured client trained on it;
        "best_seen" and "best_unseen", the highest scores of both kinds, float32; "first", whether the true pair has the
        strictly highest score of its kind; "attribute" and "object", whether the prediction without bias has the true
        one.
    """
    allowed = np.ones(len(among), dtype=bool) if among.allowed is None else among.allowed
    own = among.seen if among.own is None else among.own
    rows = torch.arange(len(pair))
    seen = torch.from_numpy(among.seen)[pair]
    kinds = [torch.from_numpy(np.flatnonzero(allowed & kind)) for kind in (among.seen, ~among.seen)]
    best = torch.stack([_highest(scores[:, kind]) for kind in kinds])
    others = scores.clone()
    others[rows, pair] = -torch.inf
    rival = torch.stack([_highest(others[:, kind]) for kind in kinds])
    true = scores[rows, pair]
    first = (true > torch.where(seen, rival[0], rival[1])) & torch.from_numpy(allowed)[pair]
    parts = {name: torch.from_numpy(values) for name, values in among.parts.items()}
    permitted = torch.from_numpy(np.flatnonzero(allowed))
    chosen = permitted[scores[:, permitted].argmax(dim=1)] if len(rows) else pair
    found = {part: (parts[part][chosen] == parts[part][pair]).numpy() for part in (ATTRIBUTE, OBJECT)}
    flags = {"seen": seen.numpy(), "own": own[pair.numpy()], "first": first.numpy()}
    return {**flags, **found, "best_seen": best[0].float().numpy(), "best_unseen": best[1].float().numpy()}


def _highest(scores: Tensor) -> Tensor:
    """(n,) highest score of each image; `LOWEST` where there is no candidate."""
    return scores.new_full((len(scores),), LOWEST) if 0 in scores.shape else scores.amax(dim=1).clamp(min=LOWEST)


@dataclass(frozen=True, slots=True)
class BiasCurve:
    """Accuracies on images of seen and unseen pairs as functions of the bias.

    Attributes:
        biases: (m,) biases, ascending; one inside each interval between two margins, and one at both ends.
        seen: (m,) accuracy on images of seen pairs at each bias, falling.
        unseen: (m,) accuracy on images of unseen pairs at each bias, rising.
    """

    biases: Floats
    seen: Floats
    unseen: Floats

    @property
    def area(self) -> float:
        """Returns the area below the seen accuracy over the unseen accuracy, in [0, 1], by trapezoids."""
        return _area(self.unseen, self.seen)

    @property
    def harmonic(self) -> Floats:
        """Returns (m,) harmonic means of both accuracies; 0 where both are 0."""
        both = self.seen + self.unseen
        return 2 * self.seen * self.unseen / np.where(both > 0, both, 1.0)

    @property
    def best(self) -> int:
        """Returns the position of the highest harmonic mean, the first of equal ones."""
        return int(self.harmonic.argmax())

    def thin(self, points: int) -> tuple[list[list[float]], int]:
        """Selects points of the curve for a picture.

        Args:
            points: Number of points at most, >= 3.

        Returns:
            [unseen accuracy, seen accuracy] of each point, with both ends and the best harmonic mean; and the position
            of the latter.
        """
        places = np.linspace(0, len(self.biases) - 1, min(points - 1, len(self.biases))).round().astype(int)
        chosen = np.unique([*places, self.best])
        found = [[float(self.unseen[place]), float(self.seen[place])] for place in chosen]
        return found, int(np.searchsorted(chosen, self.best))


def margins(columns: Mapping[str, NDArray[np.generic]]) -> Floats:
    """Computes the bias at which the prediction of each image changes from a seen to an unseen pair.

    Args:
        columns: What `describe_images` returned.

    Returns:
        (n,) best seen score minus best unseen score.
    """
    return columns["best_seen"].astype(np.float64) - columns["best_unseen"].astype(np.float64)


def exact_curve(columns: Mapping[str, NDArray[np.generic]]) -> BiasCurve | None:
    """Computes the curve over all biases.

    Args:
        columns: What `describe_images` returned, of any number of images.

    Returns:
        The curve; None without images of seen pairs or without images of unseen pairs.
    """
    seen, first, margin = columns["seen"].astype(bool), columns["first"].astype(bool), margins(columns)
    if seen.all() or not seen.any():
        return None
    low, high = np.sort(margin[seen & first]), np.sort(margin[~seen & first])
    breaks = np.unique(np.concatenate([low, high]))
    if len(breaks):
        biases = np.concatenate([[breaks[0] - 1.0], (breaks[:-1] + breaks[1:]) / 2, [breaks[-1] + 1.0]])
    else:
        biases = np.zeros(1)
    intervals = np.arange(len(biases))  # interval i lies between breaks i - 1 and i
    kept = len(low) - np.searchsorted(np.searchsorted(breaks, low), intervals, side="left")
    gained = np.searchsorted(np.searchsorted(breaks, high), intervals, side="left")
    images = seen.sum(), (~seen).sum()
    return BiasCurve(biases, kept / images[0], gained / images[1])


def is_right(columns: Mapping[str, NDArray[np.generic]], bias: float) -> Flags:
    """Decides which images are correct at a bias.

    Args:
        columns: What `describe_images` returned.
        bias: The number that is added to scores of unseen pairs.

    Returns:
        (n,) whether the true pair has the strictly highest score.
    """
    seen, margin = columns["seen"].astype(bool), margins(columns)
    return columns["first"].astype(bool) & np.where(seen, margin > bias, margin < bias)


def measure_as_released(columns: Mapping[str, NDArray[np.generic]]) -> dict[str, float]:
    """Computes the numbers of the evaluator that the authors of CGE, CSP and their successors released.

    It takes 20 to 39 biases from images of unseen pairs that are correct at a bias of 1000, each 1e-4 below the image's
    margin, and 1000 itself; there is no point at minus infinity, and without such an image all numbers are 0.

    Args:
        columns: What `describe_images` returned, of images of both kinds.

    Returns:
        "seen", "unseen", "harmonic_mean" and "auc".
    """
    seen, first, margin = columns["seen"].astype(bool), columns["first"].astype(bool), margins(columns)
    found = np.sort(margin[~seen & first]) - RELEASED_OFFSET
    if not len(found):
        return {"seen": 0.0, "unseen": 0.0, "harmonic_mean": 0.0, "auc": 0.0}
    biases = [*found[:: max(len(found) // RELEASED_BIASES, 1)], 1e3]
    right = np.stack([is_right(columns, bias) for bias in biases])
    s, u = right[:, seen].mean(axis=1), right[:, ~seen].mean(axis=1)
    curve = BiasCurve(np.array(biases), s, u)
    best = float(curve.harmonic.max())
    return {"seen": float(s.max()), "unseen": float(u.max()), "harmonic_mean": best, "auc": curve.area}


def _area(x: Floats, y: Floats) -> float:
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())
