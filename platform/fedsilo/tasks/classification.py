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
from fedsilo.core.errors import DataError
from fedsilo.core.metrics import Metric
from fedsilo.core.task import EXAMPLES, Tally, Task


@dataclass(frozen=True)
class Classification(Task):
    """Cross-entropy over the classes; the accuracy of the highest score."""

    metrics = (Metric("accuracy", "Share of the images whose class has the highest score."),)

    def candidates(self, images: LabelledImages) -> Candidates:
        """Names the candidates: the classes, all of them trained on.

        Args:
            images: The data set with its class names.

        Returns:
            One candidate per class, K in all.

        Raises:
            DataError: The classes are pairs, of which some are not trained on.
        """
        if images.pairs is not None:
            raise DataError(
                f"task: 'classification' trains on all classes, but the {len(images.classes)} classes of this data set "
                f"are pairs, of which {int((~images.pairs.seen).sum())} are not trained on. Set `task: composition`."
            )
        return named(images.classes)

    def targets(self, labels: Tensor, among: Candidates) -> Columns:
        """Names the column of labels.

        Args:
            labels: (b,) int64 class numbers in [0, K).
            among: The K candidates.

        Returns:
            The labels as the column "class".
        """
        return {CLASS: labels}

    def losses(self, scores: Tensor, targets: Columns, among: Candidates) -> Tensor:
        """Computes the cross-entropy of each example.

        Args:
            scores: Scores (b, K).
            targets: Columns of targets, (b,) int64 each.
            among: The K candidates.

        Returns:
            (b,) losses.
        """
        return cross_entropy(scores, targets[CLASS], reduction="none")

    def loss(self, scores: Tensor, targets: Columns, among: Candidates) -> Tensor:
        """Computes the mean cross-entropy with torch's own mean.

        Args:
            scores: Scores (b, K).
            targets: Columns of targets, (b,) int64 each.
            among: The K candidates.

        Returns:
            The mean loss, shape ().
        """
        return cross_entropy(scores, targets[CLASS])

    def tally(self, scores: Tensor, targets: Columns, among: Candidates) -> Tally:
        """Counts correct images and adds up losses; b may be 0.

        Args:
            scores: Scores (b, K).
            targets: Columns of targets, (b,) int64 each.
            among: The K candidates.

        Returns:
            "correct", "examples" and the sum of the cross-entropies as "loss".
        """
        labels = targets[CLASS]
        return {
            "correct": int((scores.argmax(dim=1) == labels).sum()) if len(labels) else 0,
            EXAMPLES: len(labels),
            "loss": float(cross_entropy(scores, labels, reduction="sum")) if len(labels) else 0.0,
        }

    def measures(self, tally: Tally) -> Mapping[str, float]:
        """Divides the counts by the number of images.

        Args:
            tally: Counts of at least one image.

        Returns:
            The accuracy in [0, 1], and the mean cross-entropy as "loss".
        """
        examples = tally[EXAMPLES]
        return {"accuracy": tally["correct"] / examples, "loss": tally["loss"] / examples}  # type: ignore[dict-item]

    def floor(self, among: Candidates) -> Mapping[str, float]:
        """Computes the metrics of a random guess.

        Args:
            among: The K candidates.

        Returns:
            The accuracy 1 / K.
        """
        return {"accuracy": 1.0 / len(among)}
