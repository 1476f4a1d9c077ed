from __future__ import annotations

from pathlib import Path

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import ScenarioError
from fedsilo.core.registry import name_of

pytestmark = pytest.mark.usefixtures("components")


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


@pytest.mark.parametrize("override", ["method=local", "method.name=local", "method={name: local}"])
def test_another_method_keeps_the_keys_that_it_knows_and_drops_the_others(folder: Path, override: str) -> None:
    file = written(folder, q="method: {name: fedotp, context_length: 4, mass: 0.5}")
    scenario = read(file, [override])
    assert name_of(scenario.method) == "local"
    assert vars(scenario.method) == {"context_length": 4}


def test_keys_beside_the_new_name_or_after_it_are_checked(folder: Path) -> None:
    file = written(folder, q="extends: b.yaml\nmethod: {name: local, mass: 0.5}", b="method: {name: fedotp, mass: 0.1}")
    with pytest.raises(ScenarioError, match=r"q.yaml:2: method.mass: unknown key"):
        read(file)


def test_naming_the_same_method_again_drops_nothing(folder: Path) -> None:
    file = written(folder, q="method: {name: fedotp, mass: 0.5}")
    assert vars(read(file, ["method=fedotp"]).method)["mass"] == 0.5


def test_a_misspelt_method_in_a_base_is_no_problem_once_another_is_named(folder: Path) -> None:
    file = written(folder, q="extends: b.yaml\nmethod: local", b="method: {name: lokal, anything: 3}")
    assert name_of(read(file).method) == "local"
