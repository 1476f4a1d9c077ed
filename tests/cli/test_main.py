"""The entry of the command line: what it prints of warnings, and its exit codes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fedsilo.cli import main


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Warnings that are shown as Python shows them."""
    shown: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        monkeypatch.setattr(warnings, "showwarning", lambda message, *place, **more: shown.append(str(message)))
        yield shown


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, others: list[str]) -> Callable[..., object]:
    def call(*words: str) -> object:
        monkeypatch.setattr(sys, "argv", ["fedsilo", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    return call


def test_an_old_key_is_one_line_on_standard_error_and_no_error(
    tmp_path: Path, run: Callable[..., object], others: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 1\n")
    assert run("validate", str(file), "pace.deadline_s=3", "--json") == 0
    shown = capsys.readouterr()
    assert shown.err == "command line: 'pace' is now 'stragglers'. Rename it.\n"
    assert '"deadline_s": 3.0' in shown.out
    assert others == []


def test_a_wrong_word_is_one_line_and_exit_code_2_and_other_warnings_are_python_s(
    run: Callable[..., object], others: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("describe", "nothing") == 2
    assert capsys.readouterr().err.startswith("no kind 'nothing' to describe.")
    warnings.warn("something else", UserWarning, stacklevel=1)
    assert others == ["something else"]
