"""Measures a client's model on the images that an evaluation asks for: own, others', validation and new classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fedsilo.core import Candidates, ClientScore, FeatureSource, Indices, Predictor, Tally, Task
from fedsilo.core.errors import NotFinite
from fedsilo.core.finiteness import require_scores
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.simulation.client_data import ClientData, ClientRules, Novelty
from fedsilo.simulation.evaluation import total


@dataclass(frozen=True, slots=True)
class ClientMeasurement:
    """How one client is measured.

    Attributes:
        data: What the client holds.
        rules: What the scenario says.
        model: The frozen model with all candidates, also those that are not trained on.
        predictor: Makes the client's predictor over the candidates of a model.
    """

    data: ClientData
    rules: ClientRules
    model: FrozenModel
    predictor: Callable[[FrozenModel], Predictor]

    def measure(self, neighbours: bool) -> ClientScore:
        """Measures the client on all its sets of images.

        Args:
            neighbours: Whether to measure on all other clients' test images as well.

        Returns:
            The counts on each set.
        """
        data, own = self.data, self.data.own_test
        trained = data.train_labels[: 0 if data.number in self.rules.never_train else None]
        among = self.model.candidates.trained_by(trained)
        predict = self.predictor(self.model)
        score = ClientScore(data.number, self._count(predict, data.test, own, data.own_labels, among))
        if neighbours:
            others = np.setdiff1d(np.arange(len(data.test_labels)), own)
            there = self._count(predict, data.test, others, data.test_labels[others], among)
            score = replace(score, elsewhere=there)
        if data.validation is not None:
            held = data.validation
            every = np.arange(len(held.labels))
            found = self._count(predict, held.images, every, held.labels, among.in_validation())
            score = replace(score, validation=found)
        return score if data.novelty is None else replace(score, new=self._count_new_classes(data.novelty))

    def _count_new_classes(self, novelty: Novelty) -> Tally:
        """What the client's prompts do on classes that no client trained on, among these alone."""
        model = self.model.seen_only().replace_classes(novelty.tokens, novelty.zero_shot)
        every = np.arange(len(novelty.labels))
        return self._count(self.predictor(model), novelty.test, every, novelty.labels, model.candidates)

    def _count(
        self, predict: Predictor, images: FeatureSource, positions: Indices, expected: Indices, among: Candidates
    ) -> Tally:
        where = ImageBatches(images, positions, expected, self.rules.test_batch, self.model.device)
        return count_images(self.rules.task, predict, where, among)


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
    tallies = []
    for positions, inputs, labels in batches:
        scores = predict(inputs).float().cpu()
        require_scores(scores, positions)
        tallies.append(task.tally(scores, task.targets(labels, among), among))
    if not tallies:
        return task.tally(torch.zeros(0, len(among)), task.targets(torch.zeros(0, dtype=torch.int64), among), among)
    tally = total(tallies)
    if any(isinstance(value, float) and math.isinf(value) for value in tally.values()):
        raise NotFinite("the loss of test images is infinite")
    return tally
