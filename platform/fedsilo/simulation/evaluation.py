"""What an evaluation comes to: a client's counts over its test images, its line, and the metrics of the round.

The metrics are named as in `core.metrics`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from fedsilo.core import Candidates, ClientScore, FeatureSource, Indices, Metric, Predictor, RoundRecord, Tally, Task
from fedsilo.core.errors import ClientError, NotFinite
from fedsilo.core.finiteness import require_scores
from fedsilo.core.metrics import GLOBAL, HARMONIC, LOCAL, NEIGHBOUR, NEW, POOLED, SPREAD, UNSEEN, VIEWS, WORST
from fedsilo.core.task import EXAMPLES


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


def total(tallies: Sequence[Tally]) -> Tally:
    """Adds up tallies.

    Args:
        tallies: At least one, all of the same task; numbers are added in this order.

    Returns:
        The tally of all of them.
    """
    return reduce(_joined, tallies)


def _joined(one: Tally, other: Tally) -> Tally:
    return {
        name: np.concatenate([value, other[name]]) if isinstance(value, np.ndarray) else value + other[name]
        for name, value in one.items()
    }


def score_line(score: ClientScore, task: Task) -> dict[str, object]:
    """Builds a client's line of clients.jsonl.

    Args:
        score: What the client measured.
        task: Names the metrics.

    Returns:
        Counts, and the metrics computed from them.
    """
    line: dict[str, object] = {"client": score.client}
    line |= {name: value for name, value in score.own.items() if isinstance(value, int)}
    names = task.measures(score.own) if score.examples else dict.fromkeys(_recorded(task, score.own))
    line |= names
    for view, tally in ((NEIGHBOUR, score.elsewhere), (NEW, score.new)):
        if tally is not None and tally[EXAMPLES]:
            found = task.measures(tally)
            line |= {view + metric.name: found[metric.name] for metric in task.metrics}
    return line


def empty_metrics(task: Task) -> dict[str, float | None]:
    """Builds the metrics of a round in which no client was evaluated.

    Args:
        task: Names the metrics.

    Returns:
        None for each metric.
    """
    return {SPREAD: None, **{view + metric.name: None for metric in task.metrics for view in VIEWS}}


def add_metrics(
    record: RoundRecord, scores: Sequence[ClientScore], task: Task, unseen: Collection[int] = frozenset()
) -> RoundRecord:
    """Adds the metrics of an evaluation to a record.

    Args:
        record: The round so far.
        scores: All clients' scores.
        task: What is measured.
        unseen: Clients that never train: they have metrics of their own, and count in no other.

    Returns:
        The record with its metrics.

    Raises:
        ClientError: No client that trains has a test image.
    """
    arrived = [s for s in scores if s.examples and s.client in unseen]
    scores = [score for score in scores if score.client not in unseen]
    own = [score for score in scores if score.examples]
    if not own:
        raise ClientError("no client has a test image, nothing can be measured. Check the partition.")
    elsewhere = [(s.own, s.elsewhere) for s in scores if s.elsewhere is not None and s.elsewhere[EXAMPLES]]
    new = [score.new for score in scores if score.new is not None and score.new[EXAMPLES]]
    parts: dict[str, list[Mapping[str, float]]] = {
        LOCAL: [task.measures(score.own) for score in own],
        POOLED: [task.measures(total([score.own for score in own]))],
        NEIGHBOUR: [task.measures(others) for _, others in elsewhere],
        GLOBAL: [task.measures(total(both)) for both in elsewhere],
        UNSEEN: [task.measures(score.own) for score in arrived],
        NEW: [task.measures(tally) for tally in new],
    }
    found = empty_metrics(task)
    for metric in task.metrics:
        values = {view: [part[metric.name] for part in measures] for view, measures in parts.items()}
        found |= {view + metric.name: _mean(each) for view, each in values.items()}
        found |= _extremes(metric, values[LOCAL], found[NEW + metric.name])
    found[SPREAD] = statistics.pstdev([part[task.metrics[0].name] for part in parts[LOCAL]])
    return replace(record, metrics=found)


def _extremes(metric: Metric, local: Sequence[float], new: float | None) -> dict[str, float | None]:
    """The worst client, and the harmonic mean of local and new."""
    mean = sum(local) / len(local)
    harmonic = None if new is None else 2 * mean * new / (mean + new) if mean + new else 0.0
    worst = min(local) if metric.higher else max(local)
    return {WORST + metric.name: worst, HARMONIC + metric.name: harmonic}


def _recorded(task: Task, tally: Tally) -> list[str]:
    """The names of what a tally comes to, for one without images."""
    return list(task.measures({**tally, EXAMPLES: 1}))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
