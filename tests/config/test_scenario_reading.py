"""How a scenario comes together: defaults, files, what they extend, overrides, interpolation."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import ScenarioError
from fedsilo.core.registry import name_of
from fedsilo.core.training_settings import Training

pytestmark = pytest.mark.usefixtures("components")


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


def test_a_file_with_one_key_is_the_usual_scenario(folder: Path) -> None:
    scenario = read(written(folder, usual="seed: 0\n"))
    assert (scenario.name, scenario.seed) == ("usual", 0)
    parts = (scenario.data, scenario.partition, scenario.method, scenario.privacy, scenario.aggregation)
    assert [name_of(part) for part in parts] == ["emblems", "composed", "promptfl", "none", "plain"]
    assert scenario.training == Training()
    assert scenario.backbone.name == "fedsilo-tiny"
    assert scenario.actors.backend == "ray"
    assert scenario.tracking.root == "runs"
    assert scenario.source == str(folder / "usual.yaml")


@pytest.mark.parametrize(
    ("stem", "name"), [("a b", "a-b"), ("über", "über"), ("a.b", "a.b"), ("%", "scenario"), ("-x-", "x")]
)
def test_the_name_is_that_of_the_file_as_far_as_a_folder_can_have_it(folder: Path, stem: str, name: str) -> None:
    (folder / f"{stem}.yaml").write_text("seed: 0\n")
    assert read(folder / f"{stem}.yaml").name == name


def test_the_file_wins_over_what_it_extends_and_the_command_line_over_both(folder: Path) -> None:
    file = written(
        folder,
        q="extends: middle.yaml\ntraining: {rounds: 3}",
        middle="extends: below/basis.yaml\nseed: 2\ntraining: {rounds: 2, batch_size: 22}",
    )
    (folder / "below").mkdir()
    (folder / "below" / "basis.yaml").write_text("seed: 1\ntraining: {rounds: 1, batch_size: 11, views: 1}")
    training = read(file, ["training.views=4"]).training
    assert (training.rounds, training.batch_size, training.views) == (3, 22, 4)
    assert read(file).seed == 2
    assert read(file, ["seed=5", "seed=6"]).seed == 6


def test_a_base_mapping_lies_below_the_file(folder: Path) -> None:
    file = written(folder, q="training: {rounds: 3}")
    scenario = read(file, base={"training.rounds": 9, "training": {"views": 2}, "method": "local"})
    assert (scenario.training.rounds, scenario.training.views) == (3, 2)
    assert name_of(scenario.method) == "local"


def test_a_problem_names_the_file_that_the_value_comes_from(folder: Path) -> None:
    written(folder, q="extends: b.yaml\n\nseed: x", b="training:\n  rounds: 0\n  views: 3\nnonsense: 1")
    with pytest.raises(ScenarioError) as caught:
        read("q.yaml", ["training.views=-1"])
    assert [line.split(": ")[:2] for line in caught.value.problems] == [
        ["b.yaml:2", "training.rounds"],
        ["b.yaml:4", "nonsense"],
        ["q.yaml:3", "seed"],
        ["command line", "training.views"],
    ]
