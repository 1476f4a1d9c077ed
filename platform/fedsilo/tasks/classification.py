"""Classification: each image belongs to one class, scores are over all classes of the data set.

Dimensions: b images, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cross_entropy

from fedsilo.core.batch import CLASS, Candidates, Columns, named
from fedsilo.core.data import LabelledImages
from fedsilo.core.metrics import Metric
from fedsilo.core.task import EXAMPLES, Tally, Task


@dataclass(frozen=True)
class Classification(Task):
    """Cross-entropy over the classes; the accuracy of the highest score."""

    metrics = (Metric("accuracy", "Share of the images whose class has the highest score."),)

    def candidates(self, images: LabelledImages) -> Candidates:
        """Returns the classes, all of them trained on."""
        return named(images.classes)

    def targets(self, labels: Tensor, among: Candidates) -> Columns:
        """Returns the labels as the column "class"."""
        return {CLASS: labels}

    def losses(self, scores: Tensor, targets: Columns, among: Candidates) -> Tensor:
        """Returns the cross-entropy (b,) of each example."""
        return cross_entropy(scores, targets[CLASS], reduction="none")

    def loss(self, scores: Tensor, targets: Columns, among: Candidates) -> Tensor:
        """Returns the mean cross-entropy, by torch's own mean."""
        return cross_entropy(scores, targets[CLASS])

    def tally(self, scores: Tensor, targets: Columns, among: Candidates) -> Tally:
        """Returns the correctly classified images, all images, and the sum of their cross-entropies."""
        labels = targets[CLASS]
        return {
            "correct": int((scores.argmax(dim=1) == labels).sum()) if len(labels) else 0,
            EXAMPLES: len(labels),
            "loss": float(cross_entropy(scores, labels, reduction="sum")) if len(labels) else 0.0,
        }

    def measures(self, tally: Tally) -> Mapping[str, float]:
        """Returns the accuracy, and the mean cross-entropy as "loss"."""
        examples = tally[EXAMPLES]
        return {"accuracy": tally["correct"] / examples, "loss": tally["loss"] / examples}  # type: ignore[dict-item]

    def floor(self, among: Candidates) -> Mapping[str, float]:
        """Returns the accuracy of guessing."""
        return {"accuracy": 1.0 / len(among)}
