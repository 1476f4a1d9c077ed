"""What becomes of records as metrics and log lines; no Ray is started."""

import logging
import math
import re
import time
from typing import Any

import pytest

from fedsilo.tasks.classification import Classification
from fedsilo_actors.monitoring import ray_metrics as metrics
from fedsilo_actors.monitoring.ray_metrics import MetricExporter, RayMetric, Reading, list_metrics

TASK = Classification()


LOCAL = metrics.make_task_metric("local_", TASK.measured.headline)


def test_names_are_what_prometheus_wants() -> None:
    found = list_metrics(TASK.measured)
    assert len({metric.name for metric in found}) == len(found)
    for metric in found:
        assert re.fullmatch(r"fedsilo(_[a-z]+)+", metric.name)
        assert metric.exported.startswith("ray_fedsilo_")
        assert metric.exported.endswith("_total") is metric.counter
        assert metric.meaning.endswith(".")


class Kept:
    """Stands in for a metric of Ray's."""

    calls: list[tuple[str, str, float, dict[str, str]]] = []  # noqa: RUF012

    def __init__(self, metric: RayMetric) -> None:
        self.name = metric.name

    def set(self, value: float, tags: dict[str, str]) -> None:
        self.calls.append(("set", self.name, value, tags))

    def inc(self, value: float, tags: dict[str, str]) -> None:
        self.calls.append(("inc", self.name, value, tags))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(metrics, "_make_meter", Kept)
    Kept.calls.clear()
    return Kept.calls


def test_gauges_are_set_counters_grow_and_nothing_is_told_that_is_no_number(kept: list[Any]) -> None:
    tags = ("night", "promptfl")
    values = {metrics.LOSS: math.nan, metrics.EPSILON: math.inf, LOCAL: 0.5}
    counts = {metrics.UPLOAD: 10, metrics.DROPPED: 0}
    MetricExporter(repeat_s=0).export(Reading(metric, value, tags) for metric, value in {**values, **counts}.items())
    where = {"run": "night", "method": "promptfl"}
    assert kept == [
        ("set", "fedsilo_local_accuracy_ratio", 0.5, where),
        ("inc", "fedsilo_upload_bytes", 10.0, where),
    ]


def test_gauges_are_told_again_since_ray_forgets_them_and_counters_are_not(kept: list[Any]) -> None:
    meters = MetricExporter(repeat_s=0.01)
    for value in (0.25, 0.5):
        meters.export([Reading(LOCAL, value, ("a", "b")), Reading(metrics.UPLOAD, 10, ("a", "b"))])
    deadline = time.monotonic() + 600
    while len(kept) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    meters.close()
    assert {call[:3] for call in kept[4:]} == {("set", "fedsilo_local_accuracy_ratio", 0.5)}
    assert len([call for call in kept if call[0] == "inc"]) == 2


def test_a_fault_of_the_metrics_is_one_line_and_ends_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def broken(metric: RayMetric) -> Any:
        asked.append(metric.name)
        raise RuntimeError("agent is gone")

    monkeypatch.setattr(metrics, "_make_meter", broken)
    monkeypatch.setattr(logging.getLogger("fedsilo"), "propagate", True)
    meters = MetricExporter(repeat_s=0)
    for _ in range(2):
        meters.export([Reading(LOCAL, 0.5, ("a", "b"))] * 2)
    assert asked == ["fedsilo_local_accuracy_ratio"]
    assert caplog.messages == ["metrics: no more from here: RuntimeError: agent is gone"]
