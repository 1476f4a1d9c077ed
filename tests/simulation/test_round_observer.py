"""The record of a round, by hand, from exchanges that differ in every number."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from fedsilo.aggregation.plain import Plain
from fedsilo.aggregation.secure import Secure
from fedsilo.core import ClientScore, ClientUpdate, Gathered
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.simulation import round_observer as module
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.round_observer import RoundObserver, StageTimer
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import CLIENTS, ROUNDS, TIMELINE, WIRE, Journals, read_lines


def gathered(clients: tuple[int, ...], loss: float, up: int, down: int, seconds: float, **more: Any) -> Gathered:
    return Gathered(
        mean={},
        clients=clients,
        loss=loss,
        updates={},
        crossings=[{"round": 0, "bytes": up}],
        upload_bytes=up,
        download_bytes=down,
        seconds=dict.fromkeys(clients, seconds),
        began=dict.fromkeys(clients, 1.0),
        **more,
    )


@pytest.fixture
def observer(world: Any, tmp_path: Path) -> RoundObserver:
    """Sees round 0 of three clients, at its second attempt."""
    (tmp_path / "run").mkdir()
    return RoundObserver(world(clients=3).plan(PromptFL(context_length=2)), Journals(tmp_path / "run"), 0, 2)


def test_exchanges_are_summed_up_and_written(observer: RoundObserver, tmp_path: Path) -> None:
    exchanges = [
        gathered((0, 1, 2), 1.0, 10, 100, 2.0),
        gathered((0, 2), 2.5, 20, 200, 3.0, notices=("client 1 sent garbage",)),
        gathered((0, 1), math.nan, 40, 400, 7.0),
    ]
    for number, exchange in enumerate(exchanges):
        with observer.timer.stage("train"):
            pass
        observer.on_gathered(number, exchange)
    observer.on_trained(3)
    record = observer.finish({}, 0.5)
    assert record.loss == pytest.approx(1.75), "the mean of known losses"
    assert (record.upload_bytes, record.download_bytes, record.exchanges) == (70, 700, 3)
    assert (record.dropped, record.attempts, record.epsilon) == ((1, 2), 2, 0.5)
    assert record.slowest == {"client": 0, "seconds": 12.0, "median": 9.0}
    assert observer.notices == [
        "round 0, exchange 1: client 1 sent garbage.",
        "round 0, exchange 1: without client 1.",
        "round 0, exchange 2: without client 2.",
    ]
    (line,) = read_lines(tmp_path / "run" / ROUNDS)
    assert (line["loss"], line["upload_bytes"], line["dropped"]) == (1.75, 70, [1, 2])
    assert [line["bytes"] for line in read_lines(tmp_path / "run" / WIRE)] == [10, 20, 40]


def test_without_a_known_loss_there_is_none(observer: RoundObserver) -> None:
    with observer.timer.stage("train"):
        pass
    observer.on_gathered(0, gathered((0, 1, 2), math.nan, 1, 1, math.nan))
    observer.on_trained(1)
    assert math.isnan(observer.finish({}, None).loss)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Returns [now]: what every clock shows."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def test_a_stage_counts_from_the_beginning_of_the_round_over_all_its_exchanges(time: list[float]) -> None:
    clock = StageTimer()
    for exchange in range(2):
        time[0] += 1.0
        with clock.stage("train"):
            time[0] += 4.0
        clock.work("train", {2: time[0] - 3, 0: time[0] - 4, 5: math.nan}, {2: 1.5, 0: 2.0 + exchange, 5: math.nan})
    with clock.stage("aggregate"):
        time[0] += 0.25
    train, aggregate = clock.lines(7)
    assert train == {
        **{"round": 7, "stage": "train", "began": 1.0, "until": 10.0, "seconds": 8.0, "clients": [0, 2]},
        **{"client_began": [1.0, 2.0], "client_until": [9.0, 8.5], "client_seconds": [5.0, 3.0]},
    }
    assert aggregate["stage"] == "aggregate"
    assert (aggregate["began"], aggregate["seconds"], aggregate["clients"]) == (10.0, 0.25, [])
    assert clock.seconds == {"train": 8.0, "aggregate": 0.25}


def test_a_stage_in_which_something_goes_wrong_does_not_count(time: list[float]) -> None:
    clock = StageTimer()
    with pytest.raises(KeyError), clock.stage("train"):
        raise KeyError
    assert (list(clock.lines(0)), clock.seconds) == ([], {})


def test_a_run_tells_when_each_client_worked_and_forgets_rounds_that_are_made_again(world: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    world(participation=0.7).federate(PromptFL(context_length=3), folder)
    told = read_lines(folder / TIMELINE)
    assert [(line["round"], line["stage"]) for line in told] == [
        (round, stage) for round in range(3) for stage in ("train", "aggregate", "evaluate")
    ]
    for line in told:
        work = zip(line["client_began"], line["client_seconds"], line["client_until"], strict=True)
        for began, seconds, until in work:
            assert line["began"] - 1e-3 <= began <= until <= line["until"] + 1e-3
            assert until - began == pytest.approx(seconds, abs=1e-5)
        assert sum(line["client_seconds"]) <= line["seconds"]  # one after the other
    assert [len(line["clients"]) for line in told] == [3, 0, 3, 2, 0, 3, 2, 0, 3]
    assert not any("seconds" in score or "began" in score for score in read_lines(folder / CLIENTS))
    Journals(folder).rewind(1)
    assert {line["round"] for line in read_lines(folder / TIMELINE)} == {0}


@pytest.mark.parametrize("case", ["local", "distributed", "masked"])
def test_a_coordinator_that_is_not_trusted_is_told_no_seconds_of_a_client(
    world: Any, tmp_path: Path, case: str
) -> None:
    """How long a client works depends on its data and on which examples were sampled."""
    mechanisms = {
        "local": LocalNoise(unit="client", noise_multiplier=1.0),
        "distributed": Distributed(unit="client", noise_multiplier=1.0),
        "masked": NoMechanism(),
    }
    aggregation = Plain() if case == "local" else Secure()
    made, method = world(mechanism=mechanisms[case]), PromptFL(context_length=3)
    heard: list[ClientUpdate | ClientScore] = []

    class Listening(SerialBackend):
        def train(self, tasks: Any) -> list[ClientUpdate]:
            heard.extend(updates := super().train(tasks))
            return updates

        def evaluate(self, tasks: Any) -> list[ClientScore]:
            heard.extend(scores := super().evaluate(tasks))
            return scores

    folder = tmp_path / "run"
    folder.mkdir()
    plan = made.plan(method, aggregation=aggregation)
    Federation(plan, Listening(made.clients(method)), Journals(folder), Checkpoints(folder / "c", 1)).run(
        lambda record: None
    )
    assert heard
    assert all(math.isnan(one.seconds) and math.isnan(one.began) for one in heard)
    assert all(line["clients"] == [] for line in read_lines(folder / TIMELINE))
    assert all(not record["slowest"] for record in read_lines(folder / ROUNDS))
    assert not any("seconds" in line.get("scalars", ()) for line in read_lines(folder / WIRE))
