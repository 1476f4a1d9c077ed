"""The section as it is written: what is refused before anything is loaded, one line each."""

import hashlib
import json
from typing import Any

import pytest

from fedsilo.config.dumping import to_mapping
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import Method
from fedsilo.core.errors import ScenarioError
from fedsilo.core.registry import find, names
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.promptfl import PromptFL
from fedsilo.runs.provenance import SETTINGS, hash_settings

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


def test_buffered_rounds_are_for_methods_that_send_new_values_for_a_plain_mean() -> None:
    allowed = set()
    for name in names(Method):
        cls: Any = find(Method, name)
        made = cls()
        if made.trains and made.allows_stale:
            allowed.add(name)
    assert {"promptfl", "fedprox", "fedper", "fedotp", "finetune", "local"} <= allowed
    assert not allowed & {"fedamp", "pfedmoap", "dpfpl"}
    assert not PromptFL(synchronise="batch").allows_stale
    assert DPFPL(synchronise="round").allows_stale

    class OwnStep(PromptFL):
        def server_step(self, work: Any) -> Any:
            return super().server_step(work)

    assert not OwnStep().allows_stale


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


def test_the_old_scenarios_are_as_they_were() -> None:
    scenario = from_mapping(BASE)
    assert not scenario.availability.timed
    assert scenario.stragglers.deadline_s is None
    assert not scenario.stragglers.buffered


def test_a_run_begun_before_stragglers_can_be_resumed_and_one_with_other_stragglers_cannot() -> None:
    def settings(**keys: Any) -> str:
        return hash_settings(from_mapping({**BASE, **keys}), "a {}.")

    written = to_mapping(from_mapping(BASE))
    before = {section: written[section] for section in SETTINGS if section not in ("pace", "trace")}
    text = json.dumps([before, [from_mapping(BASE).backbone.precision, 1, "a {}."]], sort_keys=True)
    assert settings() == hashlib.sha256(text.encode()).hexdigest()
    others = [
        settings(stragglers={"deadline_s": 3}),
        settings(availability="speeds"),
        settings(availability="sporadic"),
    ]
    assert len({settings(), *others}) == 4


def test_the_hash_of_a_run_with_stragglers_is_that_of_the_sections_earlier_names() -> None:
    keys = {"stragglers": {"deadline_s": 3}, "availability": "speeds", "aggregation": "modular"}
    written = to_mapping(from_mapping({**BASE, **keys}))
    before = {
        **{section: written[section] for section in ("seed", "method", "training", "evaluation", "privacy")},
        **{"pace": written["stragglers"], "trace": written["availability"]},
        "aggregation": {**written["aggregation"], "name": "ring"},
    }
    text = json.dumps([before, [from_mapping(BASE).backbone.precision, 1, "a {}."]], sort_keys=True)
    assert hash_settings(from_mapping({**BASE, **keys}), "a {}.") == hashlib.sha256(text.encode()).hexdigest()
