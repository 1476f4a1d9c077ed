"""From records to readings: pure, no Ray in it."""

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
"""Where Linux tells the memory of a process, in pages; the second number is what is resident."""


@dataclass(frozen=True, slots=True)
class RoundContext:
    """What a federation's records are read against.

    Attributes:
        run: The run's name.
        method: The method's.
        planned: Rounds that are asked for.
        measures: The task's.
        chance: Headline metric of guessing; None where it is not known.
        zero_shot: Local headline metric of the hand-written prompt; the same.
        budget: Epsilon that the run may not exceed; the same.
    """

    run: str
    method: str
    planned: int
    measures: Measures
    chance: float | None = None
    zero_shot: float | None = None
    budget: float | None = None


def read_round(record: RoundRecord, around: RoundContext) -> Iterator[Reading]:
    """Yields the readings of a finished round; what was not measured is left out."""
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
    """Yields what updates tell of their clients: how long they trained, if they do. The loss is the coordinator's."""
    for update in updates:
        if update.client < MOST_CLIENTS and math.isfinite(update.seconds):
            yield Reading(m.CLIENT_SECONDS, update.seconds, _who(run, method, update.client, domains))


def read_scores(
    scores: Sequence[ClientScore], task: Task, run: str, method: str, domains: dict[int, str]
) -> Iterator[Reading]:
    """Yields the headline metric of clients that have test images."""
    headline = task.measured.headline
    for score in scores:
        if score.client < MOST_CLIENTS and score.examples:
            value = task.measures(score.own)[headline.name]
            yield Reading(m.make_task_metric("client_", headline), value, _who(run, method, score.client, domains))


def read_process(run: str, host: str, device: str) -> Iterator[Reading]:
    """Yields the memory of this process, and of the GPU that it computes on."""
    if STATM.exists():
        pages = int(STATM.read_text(encoding="ascii").split()[1])
        yield Reading(m.MEMORY, pages * os.sysconf("SC_PAGE_SIZE"), (run, host))
    if device.startswith("cuda"):
        yield Reading(m.GPU_ALLOCATED, torch.cuda.memory_allocated(device), (run, host))
        yield Reading(m.GPU_PEAK, torch.cuda.max_memory_allocated(device), (run, host))


def _who(run: str, method: str, client: int, domains: dict[int, str]) -> tuple[str, ...]:
    return run, method, f"{client:02d}", domains.get(client, "")
