"""What an evaluation comes to: sums of tallies, one line per client, and the metrics of its round (`core.metrics`)."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from fedsilo.core import ClientScore, Metric, RoundRecord, Tally, Task
from fedsilo.core.errors import ClientError
from fedsilo.core.metrics import (
    GLOBAL,
    HARMONIC,
    LOCAL,
    NEIGHBOUR,
    NEW,
    POOLED,
    SPREAD,
    UNSEEN,
    VALIDATION,
    VIEWS,
    WORST,
)
from fedsilo.core.task import EXAMPLES


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
    for view, tally in ((NEIGHBOUR, score.elsewhere), (NEW, score.new), (VALIDATION, score.validation)):
        if tally is not None and tally[EXAMPLES]:
            found = task.measures(tally)
            line |= {view + metric.name: found[metric.name] for metric in task.metrics if metric.name in found}
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
    validated = [score.validation for score in scores if score.validation is not None and score.validation[EXAMPLES]]
    parts: dict[str, list[Mapping[str, float]]] = {
        LOCAL: [task.measures(score.own) for score in own],
        POOLED: [task.measures(total([score.own for score in own]))],
        NEIGHBOUR: [task.measures(others) for _, others in elsewhere],
        GLOBAL: [task.measures(total(both)) for both in elsewhere],
        UNSEEN: [task.measures(score.own) for score in arrived],
        NEW: [task.measures(tally) for tally in new],
        VALIDATION: [task.measures(tally) for tally in validated],
    }
    found = empty_metrics(task)
    for metric in task.metrics:
        values = {view: _values(metric, measures) for view, measures in parts.items()}
        found |= {view + metric.name: _mean(each) for view, each in values.items()}
        found |= _extremes(metric, values[LOCAL], found[NEW + metric.name])
    headline = _values(task.measured.headline, parts[LOCAL])
    if not headline:
        raise ClientError(
            f"no client's test images have a value of the {task.measured.headline.words}, so nothing can be compared. "
            "Check the partition; `partition.test=global` measures every client on all test images."
        )
    found[SPREAD] = statistics.pstdev(headline)
    return replace(record, metrics=found)


def _extremes(metric: Metric, local: Sequence[float], new: float | None) -> dict[str, float | None]:
    """The worst client, and the harmonic mean of local and new."""
    mean = _mean(local)
    if mean is None:
        return {WORST + metric.name: None, HARMONIC + metric.name: None}
    harmonic = None if new is None else 2 * mean * new / (mean + new) if mean + new else 0.0
    worst = min(local) if metric.higher else max(local)
    return {WORST + metric.name: worst, HARMONIC + metric.name: harmonic}


def _values(metric: Metric, measures: Sequence[Mapping[str, float]]) -> list[float]:
    """The values of a metric, of those who have one: a task leaves out what some images cannot have."""
    return [found[metric.name] for found in measures if metric.name in found]


def _recorded(task: Task, tally: Tally) -> list[str]:
    """The names of what a tally comes to, for one without images."""
    return list(task.measures({**tally, EXAMPLES: 1}))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
