from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedsilo.config.scenario_reading import from_mapping, read
from fedsilo.core.errors import ScenarioError

pytestmark = pytest.mark.usefixtures("components")


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        *(("", "is empty"), ("\n  \n", "is empty"), ("# data: emblems\n", "has no key"), ("---\n", "has no key")),
        *(("{}\n", "has no key"), ("null\n", "has no key"), ("training: {}\n", "has no value")),
        ("training:\n  optimizer:\ntracking:\n", "has no value"),
    ],
)
def test_a_file_without_a_key_is_refused_and_names_the_command_that_writes_one(
    text: str, what: str, folder: Path
) -> None:
    for file in (written(folder, bare=text), written(folder, usual="extends: bare.yaml", bare=text)):
        with pytest.raises(ScenarioError, match=rf"bare\.yaml:1: {what}.* fedsilo new FILE"):
            read(file)


def test_a_link_that_leads_nowhere_is_named_as_one(folder: Path) -> None:
    (folder / "q.yaml").symlink_to("gone.yaml")
    with pytest.raises(ScenarioError, match=r"q\.yaml: is a link to 'gone\.yaml', where there is no file"):
        read(folder / "q.yaml")


@pytest.mark.parametrize(
    ("override", "value"),
    [("actors.address=", ""), ("tracking.root=~/runs", "~/runs"), ("tracking.root=a=b", "a=b"), (" name = x", "x")],
)
def test_overrides_are_split_at_the_first_equals_sign(folder: Path, override: str, value: str) -> None:
    scenario = read(written(folder, q="seed: 0"), [override])
    assert value in (scenario.tracking.root, scenario.name, scenario.actors.address)


def test_a_mapping_may_be_nested_or_dotted_or_both() -> None:
    nested = from_mapping({"seed": 3, "training": {"rounds": 2, "optimizer": {"momentum": 0}}, "method": "local"})
    dotted = from_mapping({"seed": 3, "training.rounds": 2, "training.optimizer.momentum": 0.0, "method.name": "local"})
    both = from_mapping({"training": {"rounds": 2}, "training.optimizer.momentum": 0}, ["seed=3", "method=local"])
    assert nested == dotted == both
    assert nested.name == "scenario"


def test_a_mapping_may_hold_what_python_users_have(tmp_path: Path) -> None:
    scenario = from_mapping(
        {
            "seed": np.int64(4),
            "training.participation": np.float32(0.5),
            "tracking.root": tmp_path,
            "data.domains": ("a",),
        }
    )
    assert (scenario.seed, scenario.training.participation) == (4, 0.5)
    assert scenario.tracking.root == str(tmp_path)


def test_a_mapping_may_extend_a_file(folder: Path) -> None:
    written(folder, basis="seed: 8\ntraining: {rounds: 2}")
    scenario = from_mapping({"extends": "basis.yaml", "training.rounds": 3})
    assert (scenario.seed, scenario.training.rounds) == (8, 3)


def looped() -> dict[str, object]:
    mapping: dict[str, object] = {}
    mapping["data"] = mapping
    return mapping


def wide() -> dict[str, object]:
    items: list[object] = []
    items.extend([items] * 9)
    return {"data": {"domains": items}}


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({"seed": object()}, "scenario: seed: cannot be of type object. Give a number, text, list or mapping."),
        ({3: 4}, "scenario: a key must be a word, got 3."),
        ({"": 4}, "scenario: a key must be a word, got ''."),
        ({"a..b": 4}, "scenario: a key must be a word, got 'a..b'."),
        ({"training": {None: 4}}, "scenario: training: a key must be a word, got null."),
        ({"training": {"rounds": "3"}}, "must be a whole number >= 1, got '3'. Write it without quotes."),
        ({"seed": 10**5000}, "scenario: seed: must be a whole number >= 0, got a number of thousands of digits."),
        ({"tracking.root": "a\0"}, r"scenario: tracking.root: must be text, got 'a\x00'. It has a control character."),
        ({"training": 3, "training.views": -1}, "scenario: training.views: must be a whole number >= 0, got -1."),
        (looped(), "scenario: data: is more than 20 levels deep. That is no scenario."),
        (wide(), "scenario: data: is of more than 20000 values. That is no scenario."),
    ],
)
def test_a_wrong_mapping_gets_its_line(mapping: dict[str, object], line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_mapping(mapping)
    assert any(line in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "scenario: no file is named. Give the path of a scenario file."),
        ("  ", "scenario: no file is named. Give the path of a scenario file."),
        (".", ".: is a folder, not a scenario file."),
        ("qick.yaml", "qick.yaml: there is no such file. Did you mean 'quick.yaml'?"),
        ("privacy.epsilon=3", "privacy.epsilon=3: is a change of a key. Name the scenario file before it."),
        ("deep/quick.yaml", "deep/quick.yaml: there is no such file."),
        ("/dev/null", "/dev/null: is not a plain file."),
        ("a\0b", r"a\x00b: there is no such file."),
    ],
)
@pytest.mark.usefixtures("components")
def test_paths_that_are_no_file_get_one_line(path: str, line: str, folder: Path) -> None:
    (folder / "quick.yaml").write_text("")
    with pytest.raises(ScenarioError) as caught:
        read(path)
    assert caught.value.problems == (line,)
