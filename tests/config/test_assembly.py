from __future__ import annotations

from pathlib import Path

import pytest

from fedsilo.config.assembly import with_inherited_training
from fedsilo.config.scenario_reading import read

pytestmark = pytest.mark.usefixtures("components")


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


@pytest.mark.parametrize(("text", "name"), [("2024", "2024"), ("1e3", "1e3"), ("007", "007"), ("0x1F", "0x1F")])
def test_a_number_is_taken_as_a_name_as_it_is_written(folder: Path, text: str, name: str) -> None:
    assert read(written(folder, q=f"name: {text}")).name == name


def test_a_reference_s_own_training_gets_the_scenario_s_keys_as_interpolations() -> None:
    own = {"batch_size": 8, "optimizer": {"momentum": 0.5}}
    given = {"seed": 3, "evaluation": {"every": 2, "references": [{"name": "local"}, {"name": "a", "training": own}]}}
    made = with_inherited_training(given)
    assert made["seed"] == 3
    assert made["evaluation"]["every"] == 2
    bare, full = made["evaluation"]["references"]
    assert bare == {"name": "local"}
    assert (full["training"]["batch_size"], full["training"]["local_epochs"]) == (8, "${training.local_epochs}")
    assert full["training"]["optimizer"]["momentum"] == 0.5
    assert full["training"]["optimizer"]["learning_rate"] == "${training.optimizer.learning_rate}"
    assert own == {"batch_size": 8, "optimizer": {"momentum": 0.5}}, "the given values stay as they are"
    assert with_inherited_training({"seed": 3}) == {"seed": 3}
