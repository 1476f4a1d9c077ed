"""Files that say when clients are there and how fast."""

import json
import math
import pickle
from pathlib import Path

import pytest

from fedsilo.core import Call
from fedsilo.simulation.availability.file import File

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
    assert [model.seconds(Call(c, 0, 0, t, 2)) for c, t in ((0, 1), (0, 31), (1, 6))] == [4, 6, 14]


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
