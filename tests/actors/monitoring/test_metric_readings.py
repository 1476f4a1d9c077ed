"""Readings of metrics from records; no Ray is started."""

import math

from tests.actors.monitoring.conftest import RECORD, TASK, score

from fedsilo.core import ClientUpdate, RoundRecord
from fedsilo_actors.monitoring import ray_metrics as metrics
from fedsilo_actors.monitoring.metric_readings import RoundContext, read_process, read_round, read_scores, read_updates
from fedsilo_actors.monitoring.ray_metrics import MOST_CLIENTS, Reading, list_metrics

AROUND = RoundContext("night", "promptfl", 40, TASK.measured, chance=0.1, zero_shot=0.5, budget=8.0)


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


def test_clients_are_told_with_their_domain_and_only_so_many() -> None:
    updates = [ClientUpdate(client, {}, 1, 0.5, 2.0 + client) for client in (3, MOST_CLIENTS)]
    (reading,) = read_updates(updates, "night", "promptfl", {3: "photo"})
    assert (reading.metric.name, reading.value) == ("fedsilo_client_train_seconds", 5.0)
    assert dict(zip(reading.metric.tags, reading.tags, strict=True)) == {
        **{"run": "night", "method": "promptfl", "client": "03", "domain": "photo"},
    }
    scores = [score(3, 3, 4), score(4, 0, 0), score(MOST_CLIENTS, 1, 1)]
    assert [reading.value for reading in read_scores(scores, TASK, "night", "promptfl", {})] == [0.75]
