"""README is true: its links exist, the output it shows is what the commands print."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import fedsilo
from fedsilo.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.search(r"<!-- quickstart output -->\n```\n(.*?)```", README, re.DOTALL)
PAIRS = re.search(r"<!-- compositions output -->\n```\n(.*?)```", README, re.DOTALL)
POINTS = 1.5
"""Accuracies may differ by this much between kinds of machines; on one machine they are the same."""


def shown_rows(shown: re.Match[str] | None = SHOWN) -> dict[str, list[float]]:
    assert shown is not None
    rows = re.findall(r"^│ ([\w+]+) +│(.*)│$", shown.group(1), re.MULTILINE)
    return {name: [float(cell.split()[0]) for cell in cells.split("│") if cell.strip()] for name, cells in rows}


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_shown_mistakes_get_the_shown_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.search(r"\$ fedsilo (validate scenarios/quickstart\.yaml .*)\n((?:command line: .*\n)+)", README)
    assert found
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["fedsilo", *found.group(1).split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == found.group(2)


def test_every_named_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", README)) <= targets


def test_the_shown_table_keeps_what_the_text_says_of_it() -> None:
    rows = shown_rows()
    assert rows["promptfl"][0] >= rows["zero_shot"][0]
    assert rows["local"][0] >= rows["zero_shot"][0] + 5
    assert rows["fedotp"][0] >= max(rows["promptfl"][0], rows["zero_shot"][0]) + 5
    neighbours = 3
    assert rows["fedotp"][neighbours] > rows["local"][neighbours]


@pytest.mark.slow(50)
def test_the_shown_table_is_what_the_quickstart_prints(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    run = fedsilo.run(
        "scenarios/quickstart.yaml", actors={"backend": "serial"}, tracking={"root": str(tmp_path / "runs")}
    )
    measures = ("local_accuracy", "local_spread", "worst_accuracy", "neighbour_accuracy", "global_accuracy")
    results: list[dict[str, Any]] = run.result["rows"]
    assert [row["method"] for row in results] == list(shown_rows())
    for row in results:
        for shown, measure in zip(shown_rows()[row["method"]], measures, strict=False):
            assert 100 * row[measure] == pytest.approx(shown, abs=5 if measure == "worst_accuracy" else POINTS)
    assert run.result["warnings"] == []


def test_the_shown_table_of_compositions_keeps_what_the_text_says_of_it() -> None:
    rows = shown_rows(PAIRS)
    auc, _, _, seen, unseen, harmonic = range(6)
    assert 20.5 < rows["vp_cmjl"][auc] - rows["zero_shot"][auc] < 21.5
    assert rows["vp_cmjl"][harmonic] > rows["zero_shot"][harmonic]
    assert rows["vp_cmjl"][unseen] > rows["vp_cmjl+local"][unseen]
    assert rows["vp_cmjl+local"][seen] < rows["zero_shot"][seen]
    assert rows["troika"][unseen] == max(row[unseen] for row in rows.values() if len(row) > unseen)


@pytest.mark.slow
def test_the_shown_table_of_compositions_is_what_the_scenario_prints(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Troika, which takes most of the time and changes no other row."""
    monkeypatch.chdir(ROOT)
    run = fedsilo.run(
        "scenarios/compositions/emblems.yaml",
        actors={"backend": "serial"},
        evaluation={"references": ["csp", "vp_cmjl+local"]},
        tracking={"root": str(tmp_path / "runs")},
    )
    shown = shown_rows(PAIRS)
    results: list[dict[str, Any]] = run.result["rows"]
    assert [row["method"] for row in results] == [name for name in shown if name != "troika"]
    measures = ("local_auc", "local_spread", "worst_auc", "local_seen", "local_unseen", "local_harmonic_mean")
    for row in results[1:]:
        for value, measure in zip(shown[row["method"]], measures, strict=False):
            assert 100 * row[measure] == pytest.approx(value, abs=2 * POINTS), (row["method"], measure)
