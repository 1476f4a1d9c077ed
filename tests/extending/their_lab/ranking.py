"""Classification judged by the mean reciprocal rank of the right class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.core.batch import Candidates, Columns, named
from fedsilo.core.config_fields import key
from fedsilo.core.data import LabelledImages
from fedsilo.core.metrics import Metric
from fedsilo.core.task import EXAMPLES, Tally, Task


@dataclass(frozen=True)
class Ranking(Task):
    """Smoothed cross-entropy, and the rank of the right class."""

    metrics = (Metric("reciprocal_rank", "Mean of one over the rank of the right class."),)

    smoothing: float = key(0.1, "Share of the target that is spread over all classes.", within="in [0, 1)")

    def candidates(self, images: LabelledImages) -> Candidates:
        """Returns the classes."""
        return named(images.classes)

    def targets(self, labels: Tensor, among: Candidates) -> Columns:
        """Returns the labels as the column "right"."""
        return {"right": labels}

    def losses(self, scores: Tensor, targets: Columns, among: Candidates) -> Tensor:
        """Returns the smoothed cross-entropy (b,)."""
        return cross_entropy(scores, targets["right"], reduction="none", label_smoothing=self.smoothing)

    def tally(self, scores: Tensor, targets: Columns, among: Candidates) -> Tally:
        """Returns the sum of reciprocal ranks and of losses."""
        right = scores.gather(1, targets["right"][:, None])
        ranks = (scores > right).sum(dim=1) + 1
        losses = self.losses(scores, targets, among)
        return {"reciprocal": float((1 / ranks).sum()), EXAMPLES: len(scores), "loss": float(losses.sum())}

    def measures(self, tally: Tally) -> Mapping[str, float]:
        """Returns the mean reciprocal rank and the mean loss."""
        count = tally[EXAMPLES]
        return {"reciprocal_rank": tally["reciprocal"] / count, "loss": tally["loss"] / count}

    def floor(self, among: Candidates) -> Mapping[str, float]:
        """Returns what guessing comes to."""
        return {"reciprocal_rank": sum(1 / (1 + k) for k in range(len(among))) / len(among)}
