"""Models of availability by themselves: when clients are there, how long they take, and files that say so."""

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsilo.core import Availability, Call
from fedsilo.core.registry import find, names
from fedsilo.simulation.availability.file import File
from fedsilo.simulation.availability.renewal import Renewal
from fedsilo.simulation.availability.speeds import Speeds
from fedsilo.simulation.availability.sporadic import Sporadic


def call(client: int = 0, round: int = 0, tries: int = 0, steps: int = 1, at: float = 0.0) -> Call:
    return Call(client, round, tries, at, steps)


@pytest.mark.parametrize("name", [name for name in names(Availability) if name != "file"])
def test_a_trace_says_the_same_whatever_it_was_asked_before(name: str) -> None:
    keys = {} if name == "none" else {"spread": 1.0, "drop_out": 0.4}
    availability: Any = find(Availability, name)(**keys)
    one, other = availability.make_model(6, 3), availability.make_model(6, 3)
    asked = [(client, round, now) for client in range(6) for round in range(4) for now in (0.0, 7.0, 300.0)]
    said = [(one.window(*a), one.seconds(call(*a[:2])), one.fails(call(*a[:2]))) for a in asked]
    again = [(other.window(*a), other.seconds(call(*a[:2])), other.fails(call(*a[:2]))) for a in reversed(asked)]
    assert said == again[::-1]
    if name != "none":
        assert said != [
            (c.window(*a), c.seconds(call(*a[:2])), c.fails(call(*a[:2])))
            for c in [availability.make_model(6, 4)]
            for a in asked
        ]


def test_speeds_are_lognormal_about_the_median() -> None:
    model = Speeds(step_s=3.0, spread=0.5).make_model(4000, 0)
    logs = np.log([model.seconds(call(client)) / 3 for client in range(4000)])
    assert abs(logs.mean()) < 3 * 0.5 / math.sqrt(4000)
    assert logs.std() == pytest.approx(0.5, rel=0.05)
    assert model.seconds(call(7, round=0, steps=4)) == model.seconds(call(7, round=9)) * 4


def test_clients_are_there_in_as_many_rounds_as_their_probability_says() -> None:
    model = Sporadic(online=0.3).make_model(50, 0)
    there = [model.window(client, round, 5.0) for client in range(50) for round in range(60)]
    assert set(there) == {(5.0, math.inf), (math.inf, math.inf)}
    assert np.mean([begins == 5.0 for begins, _ in there]) == pytest.approx(0.3, abs=0.03)


def test_a_client_that_comes_and_goes_is_there_for_its_share_of_the_time() -> None:
    model = Renewal(mean_online_s=20, mean_offline_s=10).make_model(30, 0)
    moments = np.arange(0, 2000, 7.0)
    there = [model.window(client, 0, now)[0] == now for client in range(30) for now in moments]
    assert np.mean(there) == pytest.approx(2 / 3, abs=0.03)
    stays, now = [], 0.0
    for _ in range(3000):
        begins, until = model.window(0, 0, now)
        assert now <= begins < until
        stays.append(until - begins)
        now = until
    assert np.mean(stays) == pytest.approx(20, rel=0.06)


def test_drop_outs_are_drawn_again_for_each_time_that_a_client_is_asked() -> None:
    model = Speeds(drop_out=0.25).make_model(1, 0)
    drawn = [model.fails(call(0, round, tries)) for round in range(1000) for tries in range(2)]
    assert np.mean(drawn) == pytest.approx(0.25, abs=0.03)
    assert drawn[::2] != drawn[1::2]


CSV = "client,online_from_s,online_until_s,seconds_per_step\n0,0,10,2\n0,30,,3\n1,5,,\n"
ROWS = [
    {"client": 0, "online_from_s": 0, "online_until_s": 10, "seconds_per_step": 2},
    {"client": 0, "online_from_s": 30, "seconds_per_step": 3},
    {"client": 1, "online_from_s": 5},
]


@pytest.mark.parametrize(("name", "text"), [("t.csv", CSV), ("t.json", json.dumps(ROWS))])
def test_a_file_says_when_clients_are_there_and_how_fast(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    availability = File(str(tmp_path / name), step_s=7)
    assert availability.problems() == []
    assert availability.refusals(2) == []
    (tmp_path / name).unlink()  # as on another machine
    model = pickle.loads(pickle.dumps(availability)).make_model(3, 0)
    assert [model.window(0, 0, now) for now in (0, 9.5, 10, 40)] == [
        (0, 10),
        (9.5, 10),
        (30, math.inf),
        (40, math.inf),
    ]
    assert model.window(1, 0, 0) == (5, math.inf)
    assert model.window(2, 0, 0) == (math.inf, math.inf)
    assert [model.seconds(call(c, at=t, steps=2)) for c, t in ((0, 1), (0, 31), (1, 6))] == [4, 6, 14]


HEAD = "client,online_from_s,online_until_s,seconds_per_step\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (HEAD + "0,0,10,1\n0,9,20,1\n", ["line 3: client 0 is there already, see {}, line 2. Make it one line."]),
        (HEAD + "0,5,5,1\n1,-1,4,1\n", ["line 2: online from 5 until 5 s", "line 3: online from -1 until 4 s"]),
        (HEAD + "x,0,1,1\n-1,0,1,1\n", ["line 2: client must be a number, got 'x'", "line 3: clients are numbered"]),
        (HEAD + ",0,1,1\n0,0,1,0\n", ["line 2: client must be given", "line 3: seconds_per_step must be above 0"]),
        ("client,speed\n0,1\n", ["line 2: has speed, known are client, online_from_s"]),
    ],
)
def test_every_line_that_is_wrong_is_told(tmp_path: Path, text: str, lines: list[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    found = File(str(path)).problems()
    assert len(found) == len(lines)
    for line, expected in zip(found, lines, strict=True):
        assert line.startswith(f"file: {path}, {expected.format(path)}")


def test_files_that_are_none_and_clients_that_there_are_not(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    assert "missing" in File("").problems()[0]
    assert "cannot be read" in File(str(path)).problems()[0]
    path.write_text("{")
    assert "is no JSON" in File(str(path)).problems()[0]
    path.write_text('{"client": 0}')
    assert "must be a list of objects" in File(str(path)).problems()[0]
    path.write_text('[{"client": 5}, {"client": 5, "online_from_s": true}]')
    assert "online_from_s must be a number, got True" in File(str(path)).problems()[0]
    path.write_text('[{"client": 5}, {"client": 1}]')
    assert File(str(path)).refusals(3) == [f"file: {path}: there is no client 5, the partition makes 0 to 2."]


def test_listed_speeds_are_one_for_each_client_and_above_0() -> None:
    assert Speeds(seconds_per_step=[1, 2]).refusals(2) == []
    assert Speeds(seconds_per_step=[1, 2]).refusals(3) == [
        "seconds_per_step: lists 2 clients, there are 3. List one number for each."
    ]
    found = Speeds(seconds_per_step=[1, -2], spread=1).problems()
    assert [line.partition(":")[0] for line in found] == ["seconds_per_step", "spread"]
