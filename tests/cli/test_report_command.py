"""`fedsilo report`: its file and its output; an error of the page does not fail a run."""

from __future__ import annotations

import json
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

import fedsilo.runs.run

Call = Callable[..., tuple[str, str]]
SMALL = """\
data: {name: emblems, classes: 3, domains: [sketch], train_per_class_and_domain: 3, test_per_class_and_domain: 2}
partition: {clients: 2, label: {name: dirichlet, beta: 1.0}}
method: {name: promptfl, context_length: 2}
training: {rounds: 1, batch_size: 8}
actors: {backend: serial}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    (folder / "small.yaml").write_text(SMALL)
    return folder


@pytest.fixture(scope="module")
def report(command: Callable[[str, Path], Call], folder: Path) -> Call:
    return command("report", folder)


@pytest.fixture(scope="module")
def run(command: Callable[[str, Path], Call], folder: Path) -> Path:
    """A finished run's folder, from where the commands are called."""
    out, _ = command("run", folder)("small.yaml", "--quiet")
    (made,) = (folder / "runs").iterdir()
    assert f"report: {made.relative_to(folder)}/report.html" in out
    return made.relative_to(folder)


def test_a_run_ends_with_its_page_and_the_command_draws_the_same(run: Path, report: Call, folder: Path) -> None:
    path = folder / run / "report.html"
    drawn = path.read_bytes()
    path.unlink()
    assert report(str(run)) == (f"report: {run}/report.html\n", "")
    assert path.read_bytes() == drawn


def test_the_page_lands_where_it_is_asked_for(run: Path, report: Call, folder: Path) -> None:
    report(str(run), "--out", "page.html")
    assert (folder / "page.html").read_bytes() == (folder / run / "report.html").read_bytes()


def test_open_shows_the_file_in_the_browser(
    run: Path, report: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    report(str(run), "--open")
    assert opened == [(folder / run / "report.html").as_uri()]


def test_an_unfinished_run_has_a_page_that_says_so(run: Path, report: Call, folder: Path) -> None:
    result = folder / run / "result.json"
    content = result.read_text()
    result.unlink()
    try:
        out, _ = report(str(run), "--out", "unfinished.html")
    finally:
        result.write_text(content)
    assert out == "report: unfinished.html (the run has not finished)\n"
    assert "not finished: 1 of 1 rounds" in (folder / "unfinished.html").read_text()


@pytest.mark.parametrize(("place", "line"), [("nowhere", "there is no such run"), (".", "is not a run folder")])
def test_what_is_no_run_is_one_line_and_exit_code_2(place: str, line: str, report: Call) -> None:
    out, err = report(place, code=2)
    assert out == ""
    assert line in err
    assert len(err.splitlines()) == 1


def test_a_page_that_cannot_be_drawn_is_a_line_and_the_run_is_finished(
    command: Callable[[str, Path], Call], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run: object, path: Path) -> None:
        raise ZeroDivisionError("no paint")

    monkeypatch.setattr(fedsilo.runs.run, "write_page", refuse)
    out, err = command("run", folder)("small.yaml", "tracking.root=others", "--quiet")
    (made,) = (folder / "others").iterdir()
    assert json.loads((made / "result.json").read_text())["rows"]
    assert "report.html: was not drawn: ZeroDivisionError('no paint')." in err
    assert f"fedsilo report {made.relative_to(folder)}" in err
    assert "report: " not in out
