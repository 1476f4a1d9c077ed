"""What becomes of records as metrics and log lines; no Ray is started."""

import logging
import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fedsilo.core import ClientScore, ClientTask, ClientUpdate, RoundRecord
from fedsilo.tasks.classification import Classification
from fedsilo_actors.monitoring import logs
from fedsilo_actors.monitoring import ray_metrics as metrics
from fedsilo_actors.monitoring.metric_readings import RoundContext, read_process, read_round, read_scores, read_updates
from fedsilo_actors.monitoring.ray_metrics import MOST_CLIENTS, MetricExporter, RayMetric, Reading, list_metrics

TASK = Classification()
LOCAL = metrics.make_task_metric("local_", TASK.measured.headline)
AROUND = RoundContext("night", "promptfl", 40, TASK.measured, chance=0.1, zero_shot=0.5, budget=8.0)
RECORD = RoundRecord(
    round=7,
    participants=(0, 2, 3),
    loss=0.83,
    metrics={"local_accuracy": 0.7, "worst_accuracy": 0.4, "neighbour_accuracy": 0.6},
    upload_bytes=300,
    download_bytes=200,
    dropped=(2,),
    epsilon=1.5,
    seconds={"train": 2.0, "evaluate": 0.5},
    slowest={"client": 2, "seconds": 1.5, "median": 0.5},
    attempts=3,
)


def score(client: int, correct: int, examples: int) -> ClientScore:
    return ClientScore(client, {"correct": correct, "examples": examples, "loss": 0.0})


def told(record: RoundRecord, around: RoundContext = AROUND) -> dict[str, float]:
    """Values by metric, with the stage where there is one."""
    found = list(read_round(record, around))
    assert all(reading.tags[:2] == ("night", "promptfl") for reading in found)
    return {"/".join([reading.metric.name[len("fedsilo_") :], *reading.tags[2:]]): reading.value for reading in found}


def test_a_round_is_told_whole() -> None:
    assert told(RECORD) == {
        **{"rounds_finished": 8, "rounds_planned": 40, "retried_rounds": 2, "train_loss": 0.83},
        **{"local_accuracy_ratio": 0.7, "worst_accuracy_ratio": 0.4, "neighbour_accuracy_ratio": 0.6},
        **{"zero_shot_accuracy_ratio": 0.5, "chance_accuracy_ratio": 0.1, "epsilon": 1.5, "epsilon_budget": 8.0},
        **{"upload_bytes": 300, "download_bytes": 200, "participating_clients": 3, "dropped_clients": 1},
        **{"stage_seconds/train": 2.0, "stage_seconds/evaluate": 0.5},
        **{"slowest_client_seconds": 1.5, "median_client_seconds": 0.5},
    }


def test_what_was_not_measured_is_left_out() -> None:
    bare = told(RoundRecord(0, (0,), math.nan), RoundContext("night", "promptfl", 2, TASK.measured))
    assert set(bare) == {
        *("rounds_finished", "rounds_planned", "retried_rounds", "train_loss", "upload_bytes", "download_bytes"),
        *("participating_clients", "dropped_clients"),
    }


def test_every_metric_has_a_reading_that_makes_it() -> None:
    scores = [score(0, 1, 2)]
    readings: list[Reading] = [
        *read_round(RECORD, AROUND),
        *read_updates([ClientUpdate(0, {}, 1, 0.5, 2.0)], "night", "promptfl", {}),
        *read_scores(scores, TASK, "night", "promptfl", {}),
        *read_process("night", "client 00", "cpu"),
    ]
    elsewhere = {metrics.RESTARTS, metrics.GPU_ALLOCATED, metrics.GPU_PEAK}
    assert {reading.metric for reading in readings} | elsewhere == set(list_metrics(TASK.measured))
    assert all(len(reading.tags) == len(reading.metric.tags) for reading in readings)


def test_names_are_what_prometheus_wants() -> None:
    found = list_metrics(TASK.measured)
    assert len({metric.name for metric in found}) == len(found)
    for metric in found:
        assert re.fullmatch(r"fedsilo(_[a-z]+)+", metric.name)
        assert metric.exported.startswith("ray_fedsilo_")
        assert metric.exported.endswith("_total") is metric.counter
        assert metric.meaning.endswith(".")


def test_clients_are_told_with_their_domain_and_only_so_many() -> None:
    updates = [ClientUpdate(client, {}, 1, 0.5, 2.0 + client) for client in (3, MOST_CLIENTS)]
    (reading,) = read_updates(updates, "night", "promptfl", {3: "photo"})
    assert (reading.metric.name, reading.value) == ("fedsilo_client_train_seconds", 5.0)
    assert dict(zip(reading.metric.tags, reading.tags, strict=True)) == {
        **{"run": "night", "method": "promptfl", "client": "03", "domain": "photo"},
    }
    scores = [score(3, 3, 4), score(4, 0, 0), score(MOST_CLIENTS, 1, 1)]
    assert [reading.value for reading in read_scores(scores, TASK, "night", "promptfl", {})] == [0.75]


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


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    monkeypatch.setattr(logging.getLogger("fedsilo"), "propagate", True)
    with caplog.at_level(logging.DEBUG, "fedsilo"):
        yield caplog


def test_what_a_client_does_not_tell_is_in_no_line_and_no_metric(log: pytest.LogCaptureFixture) -> None:
    update = ClientUpdate(3, {}, 1, math.nan, math.nan)
    logs.log_training({3: ClientTask(7, 0, {})}, [update], {})
    logs.log_scores(7, [score(3, 3, 4)], TASK, {})
    assert log.messages == ["client 03, round 7: trained", "client 03, round 7: evaluated, accuracy 75.0 %"]
    assert list(read_updates([update], "night", "promptfl", {})) == []


def test_lines_say_who_when_and_how_it_went(log: pytest.LogCaptureFixture) -> None:
    tasks = {3: ClientTask(7, 0, {}), 4: ClientTask(7, 5, {})}
    updates = [ClientUpdate(3, {}, 1, 0.834, 0.2123), ClientUpdate(4, {}, 1, 0.5, 0.1)]
    logs.log_training(tasks, updates, {3: "photo"})
    scores = [replace(score(3, 3, 4), seconds=0.05), replace(score(4, 0, 0), seconds=0.01)]
    logs.log_scores(7, scores, TASK, {3: "photo"})
    logs.log_round("promptfl", RECORD, TASK.measured, 40)
    assert log.messages == [
        "client 03 photo, round 7: trained in 0.21 s, loss 0.834",
        "client 04, round 7, exchange 5: trained in 0.10 s, loss 0.5",
        "client 03 photo, round 7: evaluated in 0.05 s, accuracy 75.0 %",
        "client 04, round 7: evaluated in 0.01 s",
        "coordinator, promptfl, round 7 of 40: 3 clients, loss 0.83, local accuracy 70.0 %, epsilon 1.5, 2.50 s",
        "coordinator, promptfl, round 7: took 3 attempts",
        "coordinator, promptfl, round 7: without clients 2",
    ]
    assert [record.levelname for record in log.records[:3]] == ["INFO", "DEBUG", "INFO"]


def test_a_loss_that_is_hidden_from_the_coordinator_is_hidden_from_the_log(log: pytest.LogCaptureFixture) -> None:
    tasks = {3: ClientTask(7, 0, {})}
    logs.log_training(tasks, [ClientUpdate(3, {}, 1, math.nan, 0.2123)], {})
    logs.log_masked_training(tasks, {3: "photo"})
    assert log.messages == [
        "client 03, round 7: trained in 0.21 s",
        "client 03 photo, round 7: trained, its update will be masked",
    ]


def test_the_level_is_the_scenario_s_and_a_line_is_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("fedsilo")
    before = list(logger.handlers), logger.level, logger.propagate
    try:
        for level in ("debug", "warning"):
            logs.start_logging(level)
        logger.info("not this")
        logger.warning("this")
        assert len(logger.handlers) == len(before[0]) + (not before[0])
    finally:
        logger.handlers[:], logger.propagate = before[0], before[2]
        logger.setLevel(before[1])
    assert re.fullmatch(r"\d{4}-\S+ \S+ WARNING this\n", capsys.readouterr().err)
