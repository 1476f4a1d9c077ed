"""`fedsilo top` on a folder written by hand."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.report.conftest import Made

from fedsilo.cli import main
from fedsilo.cli import top_command as watching
from fedsilo.report.results.progress_overview import STOPPED
from fedsilo.storage.run_folder import DRIVER_LOCK


def test_on_a_terminal_the_table_is_drawn_again_until_the_run_ends(
    made: Made, held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, screen = made(), io.StringIO()
    held(run.folder / DRIVER_LOCK)
    terminal = Console(file=screen, force_terminal=True, width=160)
    monkeypatch.setattr(watching, "console", lambda: terminal)
    monkeypatch.setattr(watching.time, "sleep", lambda seconds: (run.folder / "result.json").write_text("{}"))
    call(monkeypatch, str(run.folder))
    assert screen.getvalue().index("running") < screen.getvalue().index("finished")


def call(monkeypatch: pytest.MonkeyPatch, *words: str, code: int = 0) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "argv", ["fedsilo", "top", *words])
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            ended: Any = 0
        except SystemExit as exit:
            ended = exit.code or 0
    assert ended == code, out.getvalue() + err.getvalue()
    return out.getvalue(), err.getvalue()


def test_once_prints_one_table_and_json_the_same_as_json(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made()
    out, err = call(monkeypatch, str(run.folder), "--once")
    assert "promptfl" in out
    assert err == ""
    document = json.loads(call(monkeypatch, str(run.folder), "--json")[0])
    assert (document["state"], document["courses"][1]["finished"]) == (STOPPED, 4)


def test_it_ends_when_the_run_does(made: Made, held: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, naps = made(), list[float]()
    held(run.folder / DRIVER_LOCK)

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            (run.folder / "result.json").write_text("{}")

    monkeypatch.setattr(watching.time, "sleep", nap)
    out, _ = call(monkeypatch, str(run.folder), "--interval", "0.5")
    assert naps == [0.5, 0.5]
    assert out.count("run <1>: local 4/4") == 1  # a line for each round that is seen, not for each look
    assert "finished" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("nowhere",), "nowhere: there is no such folder here. For a run on a cluster give its name and --address."),
        ((".",), ".: is not a run folder, it has no scenario.yaml."),
        (("a", "--address", "127.0.0.1:9"), "--address 127.0.0.1:9: cannot be reached: "),
        (("a", "--address", "ray://127.0.0.1:x"), "--address ray://127.0.0.1:x: cannot be reached: "),
    ],
)
def test_what_cannot_be_reached_is_one_line(
    words: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    out, err = call(monkeypatch, *words, code=2)
    assert out == ""
    assert err.startswith(expected)
    assert len(err.splitlines()) == 1
