"""The record of a round, by hand, from exchanges that differ in every number."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from fedsilo.core import Gathered
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.round_observer import RoundObserver
from fedsilo.storage.run_folder import ROUNDS, WIRE, Journals, read_lines


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
        with observer.stage("train"):
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
    with observer.stage("train"):
        pass
    observer.on_gathered(0, gathered((0, 1, 2), math.nan, 1, 1, math.nan))
    observer.on_trained(1)
    assert math.isnan(observer.finish({}, None).loss)
