"""Converts records to readings of metrics, without Ray."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fedsilo.core import ClientScore, ClientUpdate, Measures, RoundRecord, Task
from fedsilo.core.metrics import LOCAL, NEIGHBOUR, WORST
from fedsilo_actors.monitoring import ray_metrics as m
from fedsilo_actors.monitoring.ray_metrics import MOST_CLIENTS, RayMetric, Reading

STATM = Path("/proc/self/statm")
"""File with the memory of this process on Linux, in pages; the second number is the resident memory."""


@dataclass(frozen=True, slots=True)
class RoundContext:
    """What a reading of a round needs beside its record.

    Attributes:
        run: The run's name.
        method: The method's name.
        planned: Number of rounds.
        measures: The task's metrics.
        chance: Headline metric of guessing; None if not known.
        zero_shot: Local headline metric of the hand-written prompt; None if not known.
        budget: Epsilon that the run may not exceed; None without one.
    """

    run: str
    method: str
    planned: int
    measures: Measures
    chance: float | None = None
    zero_shot: float | None = None
    budget: float | None = None


def read_round(record: RoundRecord, around: RoundContext) -> Iterator[Reading]:
    """Reads a finished round.

    Args:
        record: The round's record.
        around: The run and its method.

    Yields:
        A reading for each value that was measured.
    """
    tags, headline = (around.run, around.method), around.measures.headline
    views = {view: record.metrics.get(around.measures.of(view)) for view in (LOCAL, WORST, NEIGHBOUR)}
    values: dict[RayMetric, float | None] = {
        m.ROUNDS_FINISHED: record.round + 1,
        m.ROUNDS_PLANNED: around.planned,
        m.RETRIED_ROUNDS: record.attempts - 1,
        m.LOSS: record.loss,
        m.make_task_metric("zero_shot_", headline): around.zero_shot,
        m.make_task_metric("chance_", headline): around.chance,
        m.EPSILON: record.epsilon,
        m.EPSILON_BUDGET: around.budget,
        m.UPLOAD: record.upload_bytes,
        m.DOWNLOAD: record.download_bytes,
        m.PARTICIPANTS: len(record.participants),
        m.DROPPED: len(record.dropped),
        m.SLOWEST: record.slowest.get("seconds"),
        m.MEDIAN: record.slowest.get("median"),
    }
    values |= {m.make_task_metric(view, headline): value for view, value in views.items()}
    more = around.measures.metrics[1:]
    values |= {m.make_task_metric(LOCAL, metric): record.metrics.get(LOCAL + metric.name) for metric in more}
    yield from (Reading(metric, value, tags) for metric, value in values.items() if value is not None)
    for stage, seconds in record.seconds.items():
        yield Reading(m.STAGE_SECONDS, seconds, (*tags, stage))


def read_updates(updates: Sequence[ClientUpdate], run: str, method: str, domains: dict[int, str]) -> Iterator[Reading]:
    """Reads the training times of clients, where they report them. The loss is the coordinator's.

    Args:
        updates: The updates.
        run: The run's name.
        method: The method's name.
        domains: Domain of each client, "" when mixed.

    Yields:
        One reading per client.
    """
    for update in updates:
        if update.client < MOST_CLIENTS and math.isfinite(update.seconds):
            yield Reading(m.CLIENT_SECONDS, update.seconds, _who(run, method, update.client, domains))


def read_scores(
    scores: Sequence[ClientScore], task: Task, run: str, method: str, domains: dict[int, str]
) -> Iterator[Reading]:
    """Reads the headline metric of clients that have test images.

    Args:
        scores: The scores.
        task: What is measured.
        run: The run's name.
        method: The method's name.
        domains: Domain of each client, "" when mixed.

    Yields:
        One reading per client.
    """
    headline = task.measured.headline
    for score in scores:
        if score.client < MOST_CLIENTS and score.examples:
            value = task.measures(score.own).get(headline.name)
            if value is not None:  # a task leaves out what the client's images cannot have
                yield Reading(m.make_task_metric("client_", headline), value, _who(run, method, score.client, domains))


def read_process(run: str, host: str, device: str) -> Iterator[Reading]:
    """Reads the memory of this process, and of its GPU.

    Args:
        run: The run's name.
        host: The actor's name for people.
        device: The device it computes on.

    Yields:
        One reading for each kind of memory.
    """
    if STATM.exists():
        pages = int(STATM.read_text(encoding="ascii").split()[1])
        yield Reading(m.MEMORY, pages * os.sysconf("SC_PAGE_SIZE"), (run, host))
    if device.startswith("cuda"):
        yield Reading(m.GPU_ALLOCATED, torch.cuda.memory_allocated(device), (run, host))
        yield Reading(m.GPU_PEAK, torch.cuda.max_memory_allocated(device), (run, host))


def _who(run: str, method: str, client: int, domains: dict[int, str]) -> tuple[str, ...]:
    return run, method, f"{client:02d}", domains.get(client, "")
