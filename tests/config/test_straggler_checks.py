from typing import Any

import pytest

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core.errors import ScenarioError

BASE = {"partition": {"clients": 4}, "actors": {"backend": "serial"}}


def problems(**keys: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        from_mapping({**BASE, **{key.replace("__", "."): value for key, value in keys.items()}})
    return [line.removeprefix("scenario: ") for line in caught.value.problems]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"stragglers__deadline_s": 0}, "stragglers.deadline_s: must be a number > 0 or null, got 0"),
        ({"stragglers__deadline_s": -3}, "stragglers.deadline_s: must be a number > 0 or null, got -3"),
        ({"stragglers__over_select": 0.9}, "stragglers.over_select: must be a number >= 1, got 0.9"),
        ({"stragglers__over_select": 1.3}, "stragglers.over_select: 1.3 times all clients cannot be asked."),
        ({"stragglers__minimum": 0}, "stragglers.minimum: must be a whole number >= 1, got 0"),
        ({"stragglers__minimum": 5}, "stragglers.minimum: is 5, but 4 clients train."),
        ({"stragglers__mode": "asynchronous"}, "stragglers.mode: must be one of synchronous, buffered"),
        ({"stragglers__buffer": 2}, "stragglers.buffer: is for buffered rounds, but mode is 'synchronous'."),
        (
            {"stragglers__mode": "buffered", "stragglers__minimum": 2},
            "stragglers.minimum: is for synchronous rounds, but mode is",
        ),
        ({"stragglers__mode": "buffered", "stragglers__buffer": 5}, "stragglers.buffer: is 5, but 4 clients train."),
        (
            {"stragglers__mode": "buffered", "stragglers__concurrency": 9},
            "stragglers.concurrency: is 9, but 4 clients train.",
        ),
        (
            {"stragglers__mode": "buffered", "stragglers__buffer": 3, "stragglers__concurrency": 2},
            "stragglers.concurrency: 2 clients at work cannot fill a buffer of 3 at once.",
        ),
        (
            {"stragglers__mode": "buffered", "stragglers__buffer": 2, "training__participation": 0.5},
            "training.participation: 0.5 has no effect where stragglers.buffer",
        ),
        (
            {"stragglers__mode": "buffered", "stragglers__server_rate": 0},
            "stragglers.server_rate: must be a number > 0, got 0",
        ),
        (
            {"availability": "sporadic", "availability__online": 0},
            "availability.online: must be a number in (0, 1], got 0",
        ),
        (
            {"availability": "speeds", "availability__drop_out": 1},
            "availability.drop_out: must be a number in [0, 1), got 1",
        ),
        (
            {"availability": "speeds", "availability__seconds_per_step": [1, 2]},
            "availability.seconds_per_step: lists 2 clients, there",
        ),
        ({"availability": "speed"}, "availability.name: no availability 'speed'. Did you mean 'speeds'?"),
        ({"availability": {"name": "file", "file": "none.csv"}}, "availability.file: none.csv: cannot be read"),
        (
            {"stragglers__mode": "buffered", "method": "fedamp"},
            "stragglers.mode: 'buffered' adds updates that began from",
        ),
        (
            {"stragglers__mode": "buffered", "aggregation": "secure"},
            "stragglers.mode: 'buffered' adds updates that began from",
        ),
        (
            {"stragglers__mode": "buffered", "evaluation__references": ["pfedmoap"]},
            "evaluation.references: 'pfedmoap' cannot be trained with this scenario's keys: its server cannot add",
        ),
        (
            {
                "stragglers__mode": "buffered",
                "method": {"name": "dpfpl"},
                "privacy": {"mode": "rigorous", "epsilon": 1.0},
            },
            "stragglers.mode: 'buffered' adds updates that began from older shared states; method 'dpfpl' does not",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(keys: dict[str, Any], line: str) -> None:
    found = problems(**keys)
    assert any(one.startswith(line) for one in found), found


@pytest.mark.parametrize(
    ("privacy", "allowed"),
    [
        ({"mode": "central", "epsilon": 5.0}, True),
        ({"mode": "local", "epsilon": 50.0}, True),
        ({"mode": "local", "epsilon": 50.0, "unit": "example"}, False),
    ],
)
def test_buffered_rounds_are_for_mechanisms_that_hide_clients(privacy: Any, allowed: bool) -> None:
    keys = {**BASE, "stragglers": {"mode": "buffered", "buffer": 2}, "privacy": privacy, "method": "promptfl"}
    if allowed:
        assert from_mapping(keys).stragglers.buffered
        return
    with pytest.raises(ScenarioError, match="the accounting of privacy 'local' does not cover that"):
        from_mapping(keys)
