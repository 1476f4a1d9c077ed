"""Whose time is counted where."""

import math
from pathlib import Path
from typing import Any

import pytest

from fedsilo.aggregation.plain import Plain
from fedsilo.aggregation.secure import Secure
from fedsilo.core import ClientScore, ClientUpdate
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.local import Local
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.simulation import stage_timer as module
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.serial import SerialBackend
from fedsilo.simulation.stage_timer import StageTimer
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import CLIENTS, ROUNDS, TIMELINE, WIRE, Journals, read_lines


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
        "local": Local(unit="client", noise_multiplier=1.0),
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
