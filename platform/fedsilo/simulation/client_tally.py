"""What a task counts over the test images of a client, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedsilo.core import Candidates, FeatureSource, Indices, Predictor, Tally, Task
from fedsilo.core.errors import NotFinite
from fedsilo.core.finiteness import require_scores
from fedsilo.core.task import total


@dataclass(frozen=True, slots=True)
class ImageBatches:
    """Some test images with their labels.

    Attributes:
        images: Where columns of images come from.
        positions: (n,) positions of the images in it.
        labels: (n,) their labels.
        size: Images in a batch, >= 1.
        device: Where scores are computed.
    """

    images: FeatureSource
    positions: Indices
    labels: Indices
    size: int
    device: str

    def __iter__(self) -> Iterator[tuple[Indices, Mapping[str, Tensor], Tensor]]:
        """Yields positions, columns on the device, and labels of each batch, in order."""
        for start in range(0, len(self.positions), self.size):
            chosen = self.positions[start : start + self.size]
            columns = self.images.batch(chosen, 0)
            labels = torch.from_numpy(np.array(self.labels[start : start + self.size], dtype=np.int64))
            yield chosen, {name: column.to(self.device) for name, column in columns.items()}, labels


def count_images(task: Task, predict: Predictor, batches: ImageBatches, among: Candidates) -> Tally:
    """Counts what a task counts, over all batches.

    Args:
        task: What is predicted.
        predict: Gives (b, K) scores of a batch.
        batches: The images.
        among: The K candidates that scores are over.

    Returns:
        The sum of all tallies; of no images where there is no batch.

    Raises:
        NotFinite: A score is nan or infinite, or the loss is infinite.
    """
    none = task.targets(torch.zeros(0, dtype=torch.int64), among)
    tallies = [task.tally(torch.zeros(0, len(among)), none, among)]
    for positions, inputs, labels in batches:
        scores = predict(inputs).float().cpu()
        require_scores(scores, positions)
        tallies.append(task.tally(scores, task.targets(labels, among), among))
    tally = total(tallies)
    if any(isinstance(value, float) and math.isinf(value) for value in tally.values()):
        raise NotFinite("the loss of test images is infinite")
    return tally
