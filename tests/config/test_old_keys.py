"""Keys and names of earlier versions: read as those of today from every source, with one notice each."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.key_descriptions import describe
from fedsilo.config.layer_sources import Variant
from fedsilo.config.old_keys import RENAMED_COMPONENTS, RENAMED_KEYS, restore_old_keys
from fedsilo.config.scenario_reading import from_mapping, read
from fedsilo.config.schema import CONTRACTS, SECTIONS
from fedsilo.core.errors import OldKeyWarning, ScenarioError
from fedsilo.core.registry import name_of, names

OLD = """\
pace:
  mode: buffered
  buffer: 2
trace: {name: speeds, spread: 0.5, seconds_per_step: []}
aggregation: ring
"""
NOW = {
    "stragglers": {"mode": "buffered", "buffer": 2},
    "availability": {"name": "speeds", "spread": 0.5},
    "aggregation": "modular",
}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def call(text: str, name: str = "old.yaml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return call


def notices(action: Any) -> tuple[Any, list[str]]:
    """What the action returns, and the notices of old keys."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = action()
    assert all(warning.category is OldKeyWarning for warning in caught)
    return result, [str(warning.message) for warning in caught]


def test_an_old_file_is_the_same_scenario_with_a_notice_for_each_key(write: Any) -> None:
    path = write(OLD.replace("buffered\n  buffer: 2", "synchronous\n  deadline_s: 9"))
    scenario, lines = notices(lambda: read(path))
    expected = from_mapping({**NOW, "name": "old", "stragglers": {"deadline_s": 9}})
    assert scenario == expected
    assert name_of(scenario.aggregation) == "modular"
    assert lines == [
        f"{path}:2: 'pace' is now 'stragglers'. Rename it.",
        f"{path}:4: 'trace' is now 'availability'. Rename it.",
        f"{path}:5: 'aggregation: ring' is now 'aggregation: modular'. Rename it.",
    ]


def test_a_scenario_of_today_has_no_notice(write: Any) -> None:
    _, lines = notices(lambda: read(write("stragglers: {deadline_s: 3}\navailability: speeds\naggregation: modular\n")))
    assert lines == []


def test_old_changes_win_over_a_new_file_key_by_key(write: Any) -> None:
    path = write(
        "stragglers: {deadline_s: 3, over_select: 1.5}\ntraining: {participation: 0.5}\navailability: sporadic\n"
    )
    changes = ["pace.deadline_s=7", "trace=speeds", "trace.spread=1", "aggregation.name=ring", "aggregation.bound=4"]
    scenario, lines = notices(lambda: read(path, changes))
    assert (scenario.stragglers.deadline_s, scenario.stragglers.over_select) == (7, 1.5)
    assert (name_of(scenario.availability), scenario.availability.spread) == ("speeds", 1)  # type: ignore[attr-defined]
    assert (name_of(scenario.aggregation), scenario.aggregation.bound) == ("modular", 4)  # type: ignore[attr-defined]
    assert lines == [
        "command line: 'pace' is now 'stragglers'. Rename it.",
        "command line: 'trace' is now 'availability'. Rename it.",
        "command line: 'aggregation.name: ring' is now 'aggregation.name: modular'. Rename it.",
    ]


def test_new_keys_win_over_the_old_ones_of_the_file_that_is_extended(write: Any) -> None:
    base = write("pace: {deadline_s: 3, minimum: 2}\n", "base.yaml")
    scenario, lines = notices(lambda: read(write("extends: base.yaml\nstragglers: {deadline_s: 8}\n")))
    assert (scenario.stragglers.deadline_s, scenario.stragglers.minimum) == (8, 2)
    assert lines == [f"{base}:1: 'pace' is now 'stragglers'. Rename it."]


@pytest.mark.parametrize("key", ["pace.deadline_s", "stragglers.deadline_s"])
def test_what_is_varied_may_have_the_old_name(key: str) -> None:
    scenario, _ = notices(lambda: from_mapping({"pace.minimum": 2}, variant=Variant(shared=({key: 4},))))
    assert (scenario.stragglers.deadline_s, scenario.stragglers.minimum) == (4, 2)


def test_a_value_of_an_old_section_is_filled_in(write: Any) -> None:
    text = "pace: {deadline_s: 3}\ntrace: {name: speeds, step_s: '${pace.deadline_s}'}\nname: 'a-${ trace.name}'\n"
    scenario, lines = notices(lambda: read(write(text)))
    assert scenario.availability.step_s == 3  # type: ignore[attr-defined]
    assert scenario.name == "a-speeds"
    assert [line.partition(": ")[2] for line in lines[2:]] == [
        "'${pace}' is now '${stragglers}'. Rename it.",
        "'${trace}' is now '${availability}'. Rename it.",
    ]


def test_a_problem_of_an_old_key_names_the_line_and_the_new_key(write: Any) -> None:
    path = write("seed: 1\npace:\n  mode: buffered\n  buffer: 0\n")
    with pytest.warns(OldKeyWarning, match="'pace' is now"), pytest.raises(ScenarioError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:4: stragglers.buffer: must be")


@pytest.mark.parametrize(
    ("mapping", "where", "both"),
    [
        ({"pace": {"deadline_s": 1}, "stragglers": {"minimum": 2}}, "pace", "stragglers"),
        ({"trace": "speeds", "availability": "sporadic"}, "trace", "availability"),
        (
            {"training": {"optimizer": {"persistent": True, "state": "kept"}}},
            "training.optimizer.persistent",
            "training.optimizer.state",
        ),
    ],
)
def test_a_source_with_both_names_is_refused_in_one_line(
    write: Any, mapping: dict[str, Any], where: str, both: str
) -> None:
    from fedsilo.config.yaml_writing import dump_yaml

    changes = [f"{key}={value}" for key, value in mapping.items()]
    changes = [change.replace("'", "").replace("True", "true") for change in changes]
    path, usual = write(dump_yaml(mapping, flow=False, width=80)), write("seed: 0", "usual.yaml")
    for action in (lambda: read(path), lambda: from_mapping(mapping), lambda: read(usual, changes)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ScenarioError) as caught:
                action()
        (line,) = caught.value.problems
        assert f"{where}: is the old name of '{both}', which is there too. Leave out '{where}'." in line


def test_the_former_key_of_the_optimizer_s_state_is_converted() -> None:
    def state(optimizer: dict[str, Any], *changes: str) -> tuple[str, list[str]]:
        read_now = lambda: from_mapping({"training": {"optimizer": optimizer}}, changes)  # noqa: E731
        scenario, lines = notices(read_now)
        return scenario.training.optimizer.state, lines

    before = "scenario: 'training.optimizer.persistent: {}' is now 'training.optimizer.state: {}'. Rename it."
    assert state({"persistent": True}) == ("kept", [before.format("true", "kept")])
    assert state({"persistent": False}) == ("fresh", [before.format("false", "fresh")])
    assert state({"persistent": True}, "training.optimizer.state=fresh")[0] == "fresh"
    assert state({"state": "fresh"}, "training.optimizer.persistent=true")[0] == "kept"
    assert state({}) == ("fresh", [])


@pytest.mark.parametrize("value", [3, "yes", None, [1], {"a": 1}])
def test_a_value_that_the_old_key_never_had_is_refused(value: Any) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_mapping({"training": {"optimizer": {"persistent": value}}})
    (line,) = caught.value.problems
    assert line.startswith("scenario: training.optimizer.persistent: must be true or false, got ")
    assert line.endswith("It is now 'training.optimizer.state': write kept or fresh.")


@pytest.mark.parametrize("value", [3, None, [1]])
def test_an_old_section_that_is_no_section_is_refused_as_the_new_one(value: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ScenarioError) as caught:
            from_mapping({"trace": value, "pace": 7})
    assert {line.split(": ")[1] for line in caught.value.problems} == {"availability", "stragglers"}


def test_descriptions_are_found_by_old_names() -> None:
    assert describe("pace") == describe("stragglers")
    assert describe("trace") == describe("traces") == describe("availability")
    assert describe("trace", "speeds") == describe("availability", "speeds")
    assert describe("aggregation", "ring") == describe("aggregation", "modular")


def test_no_old_name_means_something_today() -> None:
    for key in RENAMED_KEYS:
        assert key.old[0] not in SECTIONS or len(key.old) > 1
    for section, renamed in RENAMED_COMPONENTS.items():
        known = names(CONTRACTS[section])
        assert set(renamed.values()) <= set(known)
        assert not set(renamed) & set(known)


def test_names_of_earlier_versions_are_restored_for_hashes() -> None:
    mapping = {
        "seed": 1,
        "stragglers": {"minimum": 2},
        "availability": {"name": "none"},
        "aggregation": {"name": "modular"},
    }
    assert restore_old_keys(mapping) == {
        "seed": 1,
        "pace": {"minimum": 2},
        "trace": {"name": "none"},
        "aggregation": {"name": "ring"},
    }
    assert restore_old_keys({"aggregation": {"name": "secure"}}) == {"aggregation": {"name": "secure"}}
