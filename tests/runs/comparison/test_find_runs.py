"""Folders of runs of which none has finished."""

from pathlib import Path

import pytest

from fedsilo.core.errors import RunError
from fedsilo.runs.comparison.find_runs import UNFINISHED, collect, find_runs_below


def make_run(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "scenario.yaml").write_text(text)
    return folder


def test_runs_are_found_in_the_order_of_their_names_and_those_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    for name in ("b", "a"):
        make_run(tmp_path / name, "data: emblems\nmethod: promptfl\n")
    broken = make_run(tmp_path / "c", "method: gone\n")
    (tmp_path / "no run").mkdir()
    found, damaged = find_runs_below(tmp_path)
    assert [(entry.folder, entry.error) for entry in found] == [(tmp_path / name, UNFINISHED) for name in "ab"]
    (line,) = damaged
    assert line.startswith(f"left out: {broken} cannot be read by this version: ")
    assert "\n" not in line


def test_where_no_run_has_finished_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no run"):
        collect([tmp_path])
    unfinished = make_run(tmp_path / "a", "data: emblems\nmethod: promptfl\n")
    with pytest.raises(RunError, match="no run has finished"):
        collect([tmp_path])
    with pytest.raises(RunError, match="has not finished"):
        collect([unfinished])
