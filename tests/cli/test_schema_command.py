from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from fedsilo.cli import main
from fedsilo.config.starter import SCHEMA_FILE, SCHEMA_LINE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of a command in this process."""
    monkeypatch.setattr(sys, "argv", ["fedsilo", *words])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_the_schema_is_printed_or_written_and_a_new_scenario_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "schema") == 0
    printed = capsys.readouterr().out
    assert "training" in json.loads(printed)["properties"]

    assert call(monkeypatch, "new", "first-study.yaml") == 0
    assert call(monkeypatch, "schema", "--write", SCHEMA_FILE) == 0
    assert (folder / SCHEMA_FILE).read_text() == printed
    assert f"{SCHEMA_LINE}{SCHEMA_FILE}" in capsys.readouterr().out

    assert call(monkeypatch, "new", "second-study.yaml") == 0
    before, after = (folder / "first-study.yaml").read_text(), (folder / "second-study.yaml").read_text()
    assert after == f"{SCHEMA_LINE}{SCHEMA_FILE}\n{before.replace('first-study', 'second-study')}"
    assert call(monkeypatch, "validate", "second-study.yaml", "--json") == 0


def test_a_schema_that_cannot_be_written_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "schema", "--write", "no/such/folder.json") == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not (folder / "no").exists()


def test_the_help_has_no_sections_for_programmers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "schema", "--help") == 0
    assert "Args:" not in capsys.readouterr().out
