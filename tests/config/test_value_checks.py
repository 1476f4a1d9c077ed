from __future__ import annotations

from pathlib import Path

import pytest

from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import ScenarioError

pytestmark = pytest.mark.usefixtures("components")


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


def test_a_number_of_thousands_of_digits_is_too_large(folder: Path) -> None:
    with pytest.raises(ScenarioError, match=r"seed: must be a whole number.*That is too large"):
        read(written(folder, q=f"seed: {'9' * 6000}"))


@pytest.mark.parametrize("number", ["1e-3", "1E-3", "'1e-3'", "0.001", ".001", "+1.e-3"])
def test_fractions_may_be_written_in_every_usual_way(folder: Path, number: str) -> None:
    scenario = read(written(folder, q=f"training: {{optimizer: {{learning_rate: {number}}}}}"))
    assert scenario.training.optimizer.learning_rate == 0.001


def test_a_whole_number_may_stand_for_a_fraction_and_becomes_one(folder: Path) -> None:
    share = read(written(folder, q="training: {participation: 1}")).training.participation
    assert isinstance(share, float)
    assert share == 1.0
