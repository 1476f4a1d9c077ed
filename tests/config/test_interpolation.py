from __future__ import annotations

from pathlib import Path

import pytest

from fedsilo.config.scenario_reading import read

pytestmark = pytest.mark.usefixtures("components")


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


def test_interpolation_reaches_given_values_defaults_and_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_SEED", "17")
    text = (
        "name: ${method.name}-${partition.clients}-${seed}\n"
        "seed: ${oc.env:LAB_SEED}\n"
        "method: ${tracking.root}\n"
        "training: {rounds: 6, local_epochs: '${.rounds}'}\n"
        "evaluation: {every: '${training.rounds}', last: '${evaluation.every}'}\n"
        "data: {domains: ['${tracking.root}', plain]}\n"
        "tracking: {root: local}\n"
        "privacy: {mode: '${oc.env:LAB_MODE,none}'}\n"
    )
    scenario = read(written(folder, q=text))
    assert scenario.name == "local-10-17"
    assert scenario.training.local_epochs == 6
    assert (scenario.evaluation.every, scenario.evaluation.last) == (6, 6)
    assert tuple(scenario.data.domains) == ("local", "plain")  # type: ignore[attr-defined]


def test_an_escaped_interpolation_is_text(folder: Path) -> None:
    assert read(written(folder, q=r"tracking: {root: 'a\${x}'}")).tracking.root == "a${x}"
