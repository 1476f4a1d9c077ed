"""Errors of runs in a comparison."""

from pathlib import Path
from typing import Any

import pytest
from tests.runs.comparison.small_comparison import SMALL

from fedsilo.report.results.finished_run import Run
from fedsilo.runs.comparison.compare import compare_grid
from fedsilo.runs.comparison.sweep import Sweep


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One feature cache for the module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDSILO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_an_error_that_is_unforeseen_is_kept_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> Run:
        raise KeyError("no such thing")

    monkeypatch.setattr("fedsilo.runs.comparison.execute.go", broken)
    found = compare_grid(Sweep(SMALL), tmp_path).standings
    assert found.failures[0].startswith("promptfl, seed 0: KeyError: 'no such thing' (see ")
    (trace,) = tmp_path.glob("*/failure.txt")
    assert "in broken" in trace.read_text()
