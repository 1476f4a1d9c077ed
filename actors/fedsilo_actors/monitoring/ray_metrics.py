"""The metrics of a run that Ray exports to Prometheus, and their exporter.

Ray puts `ray_` before every name and `_total` after a counter's: Prometheus has `ray_fedsilo_train_loss` and
`ray_fedsilo_upload_bytes_total`. An error in metrics is one line in the log and never stops a run.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fedsilo.core import metrics as measures

LOG = logging.getLogger("fedsilo")

RUN = ("run",)
METHOD = ("run", "method")
CLIENT = ("run", "method", "client", "domain")
HOST = ("run", "host")

REPEAT_S = 2.0
"""Seconds between repeats of gauges: Ray forgets a gauge after two reporting intervals, and rounds may be longer."""

MOST_CLIENTS = 200
"""Largest number of clients with metrics of their own, because each is a series in Prometheus."""


@dataclass(frozen=True, slots=True)
class RayMetric:
    """One metric.

    Attributes:
        name: Its name with its unit; a ratio is in [0, 1].
        meaning: One line.
        tags: Names of the tags that distinguish its series.
        counter: Whether values add up; otherwise the last one counts.
    """

    name: str
    meaning: str
    tags: tuple[str, ...] = METHOD
    counter: bool = False

    @property
    def exported(self) -> str:
        """The metric's name in Prometheus."""
        return f"ray_{self.name}" + "_total" * self.counter


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of a metric.

    Attributes:
        metric: The metric.
        value: The new value, or the increment of a counter.
        tags: The value of each of its tags, in their order.
    """

    metric: RayMetric
    value: float
    tags: tuple[str, ...]


ROUNDS_FINISHED = RayMetric("fedsilo_rounds_finished", "Rounds finished.")
ROUNDS_PLANNED = RayMetric("fedsilo_rounds_planned", "Rounds that the scenario asks for.")
RETRIED_ROUNDS = RayMetric("fedsilo_retried_rounds", "Attempts at rounds that had to be made again.", counter=True)
LOSS = RayMetric("fedsilo_train_loss", "Mean training loss of the last round, where clients tell it.")
EPSILON = RayMetric("fedsilo_epsilon", "Epsilon that the ledger counts.")
EPSILON_BUDGET = RayMetric("fedsilo_epsilon_budget", "Epsilon that the run may not exceed.")
UPLOAD = RayMetric("fedsilo_upload_bytes", "Bytes that left clients.", counter=True)
DOWNLOAD = RayMetric("fedsilo_download_bytes", "Bytes that went to clients.", counter=True)
STAGE_SECONDS = RayMetric("fedsilo_stage_seconds", "Seconds of a stage of the last round.", (*METHOD, "stage"))
PARTICIPANTS = RayMetric("fedsilo_participating_clients", "Clients that trained in the last round.")
DROPPED = RayMetric("fedsilo_dropped_clients", "Clients that dropped out, all rounds together.", counter=True)
SLOWEST = RayMetric("fedsilo_slowest_client_seconds", "Training time of the slowest client of the last round.")
MEDIAN = RayMetric("fedsilo_median_client_seconds", "Median training time of the clients of the last round.")
CLIENT_SECONDS = RayMetric(
    "fedsilo_client_train_seconds", "Training time of a client in the last round's first exchange.", CLIENT
)
RESTARTS = RayMetric("fedsilo_actor_restarts", "Actors that Ray started again after they died.", HOST, counter=True)
MEMORY = RayMetric("fedsilo_process_resident_bytes", "Memory of a client actor's process.", HOST)
GPU_ALLOCATED = RayMetric("fedsilo_gpu_allocated_bytes", "GPU memory that an actor's tensors hold.", HOST)
GPU_PEAK = RayMetric("fedsilo_gpu_peak_bytes", "The most that they have held.", HOST)

METRICS: tuple[RayMetric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, RayMetric))
"""All that do not depend on the task."""

VIEWS = {
    "local_": "Mean {} of clients on their own test images.",
    "worst_": "The worst of these.",
    "neighbour_": "Mean {} of clients on all others' test images.",
    "zero_shot_": "Local {} of the hand-written prompt.",
    "chance_": "{} of guessing.",
    "client_": "{} of a client on its own test images.",
}
"""Views of a task's headline metric that are metrics here; other metrics have the first one."""


def make_task_metric(view: str, measured: measures.Metric) -> RayMetric:
    """Makes the Ray metric of a task's metric in a view.

    Args:
        view: One of `VIEWS`.
        measured: The task's metric.

    Returns:
        The metric, for example `fedsilo_local_accuracy_ratio`.
    """
    about = VIEWS[view].format(measured.words)
    tags = CLIENT if view == "client_" else METHOD
    return RayMetric(f"fedsilo_{view}{measured.name}" + "_ratio" * measured.ratio, about[0].upper() + about[1:], tags)


def list_metrics(measured: measures.Measures) -> tuple[RayMetric, ...]:
    """Lists all metrics of a run.

    Args:
        measured: The task's metrics.

    Returns:
        The fixed ones, the headline metric in all views, and the other metrics in the local view.
    """
    headline = (make_task_metric(view, measured.headline) for view in VIEWS)
    return (*METRICS, *headline, *(make_task_metric(measures.LOCAL, metric) for metric in measured.metrics[1:]))


class MetricExporter:
    """Hands readings to Ray and repeats gauges; after the first error it ends quietly."""

    def __init__(self, repeat_s: float = REPEAT_S) -> None:
        """Begins without metrics; each is made with its first reading.

        Args:
            repeat_s: Time between repeats of gauges, seconds; 0: they are not repeated.
        """
        self._repeat_s = repeat_s
        self._made: dict[str, Any] = {}
        self._latest: dict[tuple[str, tuple[str, ...]], Reading] = {}
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._repeating: threading.Thread | None = None

    def export(self, readings: Iterable[Reading]) -> None:
        """Exports readings, except values that are not finite and counters that do not grow.

        Args:
            readings: The readings.
        """
        with self._guard:
            if self._ended.is_set():
                return
            try:
                for reading in readings:
                    self._record(reading)
            except Exception as error:  # of any kind: Ray's metrics are no part of the run
                self._ended.set()
                LOG.warning("metrics: no more from here: %s: %s", type(error).__name__, error)
        if self._repeat_s and self._repeating is None:
            self._repeating = threading.Thread(target=self._repeat, daemon=True)
            self._repeating.start()

    def close(self) -> None:
        """Ends the export."""
        self._ended.set()

    def _repeat(self) -> None:
        while not self._ended.wait(self._repeat_s):
            self.export(list(self._latest.values()))

    def _record(self, reading: Reading) -> None:
        metric, value = reading.metric, float(reading.value)
        if not math.isfinite(value) or (metric.counter and value <= 0):
            return
        meter = self._made.get(metric.name) or self._made.setdefault(metric.name, _make_meter(metric))
        tags = dict(zip(metric.tags, reading.tags, strict=True))
        if metric.counter:
            meter.inc(value, tags)
        else:
            meter.set(value, tags)
            self._latest[metric.name, reading.tags] = reading


def _make_meter(metric: RayMetric) -> Any:
    from ray.util.metrics import Counter, Gauge

    kind = Counter if metric.counter else Gauge
    return kind(metric.name, metric.meaning, metric.tags)
