"""Every scenario of scenarios/shifts runs, at a reduced size, and says in its header what it asks and what was seen."""

from __future__ import annotations

from pathlib import Path

import pytest

import fedsilo
from fedsilo.config.scenario_reading import read

FOLDER = Path(__file__).parents[2] / "scenarios" / "shifts"
FILES = sorted(FOLDER.glob("*.yaml"))
REDUCED = {
    "data": {"train_per_class_and_domain": 3, "test_per_class_and_domain": 1},
    "training": {"rounds": 1},
    "evaluation": {"references": []},
    "actors": {"backend": "serial"},
}
PARTY = {"new_client": "unseen_accuracy", "leave_one_domain_out": "unseen_accuracy", "base_to_new": "new_accuracy"}


def test_there_is_a_scenario_for_every_kind_of_shift() -> None:
    kinds = {"label", "feature", "label_and_feature", "quantity", "concept", "corruption", *PARTY}
    assert kinds <= {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_header_asks_a_question_and_says_what_was_seen(file: Path) -> None:
    header = [line for line in file.read_text().splitlines() if line.startswith("#")]
    text = " ".join(header)
    assert "?" in text
    for word in ("Seen", "minute", "GB"):
        assert word in text, word
    assert read(file).name == f"shift-{file.stem.replace('_', '-')}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One feature cache: most of the scenarios are about the same images."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_runs(file: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSILO_CACHE", str(cache))
    found = fedsilo.run(file, **{**REDUCED, "tracking.root": str(tmp_path / "runs")})
    method = found.result["rows"][-1]
    assert 0 < method["local_accuracy"] <= 1
    for measure in ("unseen_accuracy", "new_accuracy"):
        assert (method[measure] is not None) == (PARTY.get(file.stem) == measure)
