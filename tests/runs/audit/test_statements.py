"""Purpose of an audit: an overfitted run shows, a run at small epsilon does not, shuffled membership gives 50 %."""

from pathlib import Path
from typing import Any

import pytest

import fedsilo
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.audit.audit_request import Audit
from fedsilo.runs.audit.image_audit import audit

SCENARIO = Path(__file__).parents[3] / "scenarios" / "privacy" / "overfitted.yaml"
PRIVATE: dict[str, Any] = {"mode": "central", "noise_multiplier": 40.0}
"""The mechanism of the private run; with examples as the unit, which docs/privacy.md shows, it takes five times as long
where every class has a context of its own. The scenario is otherwise the overfitted one's."""

SHORTER: dict[str, Any] = {"training": {"rounds": 10}, "evaluation": {"every": 10}}
"""Half of the scenario's rounds: fifty passes over the data, which are enough for both statements."""


def run(folder: Path, **changes: Any) -> Run:
    return fedsilo.run(SCENARIO, **SHORTER, **changes, tracking={"root": str(folder)})


@pytest.mark.slow(30)
def test_an_overfitted_run_is_caught_and_its_shuffled_control_is_not(tmp_path: Path) -> None:
    overfitted = run(tmp_path)
    found = audit(overfitted.folder, Audit(shadows=8))
    assert found["claim"] is None
    for attack in found["attacks"]:
        assert attack["rates"]["success"] > 0.65
        assert attack["rates"]["auc"] > 0.75
        assert attack["p_value"] < 0.002
    ratio = found["attacks"][0]
    assert ratio["rates"]["success"] > ratio["chance_high"]["success"] + 0.15
    assert ratio["epsilon"]["epsilon"] > 1.5
    assert found["verdict"][0].startswith("membership shows")
    control = audit(overfitted.folder, Audit(shadows=8, shuffle=True))
    for attack in control["attacks"]:
        assert attack["rates"]["success"] == pytest.approx(0.5, abs=0.1)  # 2.8 deviations of 192 guesses
        assert attack["epsilon"]["epsilon"] < 0.2


@pytest.mark.slow(30)
def test_a_run_at_small_epsilon_is_not(tmp_path: Path) -> None:
    private = run(tmp_path, privacy=PRIVATE)
    assert private.result["privacy"]["epsilon"] < 2
    found = audit(private.folder, Audit(shadows=8))
    for attack in found["attacks"]:
        assert attack["rates"]["success"] == pytest.approx(0.5, abs=0.1)
        assert attack["p_value"] > 0.01
        assert attack["epsilon"]["epsilon"] < 0.2
    assert found["verdict"][0].startswith("membership does not show")
    assert any("is not contradicted" in line for line in found["verdict"])
