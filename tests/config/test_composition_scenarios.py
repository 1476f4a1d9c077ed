"""Every scenario of scenarios/compositions runs, at a reduced size, and says what it asks, expects and has shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import fedsilo
from fedsilo.config.scenario_reading import read
from fedsilo.core.errors import ScenarioError

FOLDER = Path(__file__).parents[2] / "scenarios" / "compositions"
FILES = sorted(FOLDER.glob("*.yaml"))
DRAWN = [file for file in FILES if file.stem != "fashion"]
PACK = Path(os.environ.get("FEDSILO_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
REDUCED: dict[str, Any] = {
    "training": {"rounds": 1},
    "method": {"name": "promptfl", "context_length": 2},
    "evaluation": {"references": []},
    "actors": {"backend": "serial"},
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_header_asks_expects_and_says_what_was_seen(file: Path) -> None:
    text = " ".join(line for line in file.read_text().splitlines() if line.startswith("#"))
    for word in ("?", "Expected", "Seen", "minute", "GB"):
        assert word in text, word


@pytest.mark.parametrize("file", DRAWN, ids=lambda file: file.stem)
def test_a_scenario_is_sound_and_compares_with_each_client_alone(file: Path) -> None:
    scenario = read(file)
    assert type(scenario.task).__name__ == "Composition"
    assert "vp_cmjl+local" in scenario.evaluation.reference_names
    assert scenario.partition.measured_on(scenario.data.load(0)) == "global"


def test_fashion_says_where_its_data_goes() -> None:
    with pytest.raises(ScenarioError, match=r"data\.root: there is no folder or zip 'data/fashion'"):
        read(FOLDER / "fashion.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSILO_CACHE", str(tmp_path / "cache"))
    data: dict[str, Any] = {"objects": 6, "domains": ["photo"]}
    if file.stem == "fashion":
        data = {"root": str(PACK / "compositions_fashion.zip")}
        if not Path(data["root"]).is_file():
            pytest.skip(f"{data['root']} is not there: no real compositions to learn")
    found = fedsilo.run(file, **{**REDUCED, "data": data, "tracking.root": str(tmp_path / "runs")})
    assert 0 < found.result["rows"][-1]["local_auc"] <= 1
