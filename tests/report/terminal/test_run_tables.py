"""Tables show names without interpreting rich's markup, and name the number of rounds that they average."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.report.terminal.conftest import text

from fedsilo.report.results.finished_run import Run
from fedsilo.report.terminal.run_tables import results_table, rounds_table


def result(*averaged: int | None) -> dict[str, Any]:
    rows = [
        {"method": f"m{n}", "role": "method", "local_accuracy": 0.5, "averaged_rounds": a}
        for n, a in enumerate(averaged)
    ]
    return {"scenario": "[/s]", "rows": rows, "headline": {"measure": "local_accuracy", "last_rounds": 5}}


def test_simulated_seconds_have_a_column_where_there_are_any() -> None:
    plain, timed = result(1, 1), result(1, 1)
    timed["rows"][1]["simulated_s"] = 318.44
    assert "simulated s" not in text(results_table(plain))
    assert "simulated s" in text(results_table(timed))
    assert "318.4" in text(results_table(timed))


def test_rounds_in_simulated_time_say_who_was_late_or_away(tmp_path: Path) -> None:
    record: dict[str, Any] = {
        "round": 0, "participants": [0], "loss": 0.5, "local_accuracy": None, "worst_accuracy": None,
        "upload_bytes": 10, "seconds": {"train": 1.0}, "late": [1, 2], "offline": [3], "clock_s": None,
    }  # fmt: skip
    (tmp_path / "scenario.yaml").write_text("method: promptfl\n")
    shown = []
    for clock in (None, 18.5):
        (tmp_path / "rounds.jsonl").write_text(json.dumps(record | {"clock_s": clock}) + "\n")
        shown.append(text(rounds_table(Run(tmp_path))))
    assert "offline" not in shown[0]
    assert [cell.strip() for cell in shown[1].splitlines()[4].split("│")[8:11]] == ["18.5", "2", "1"]


@pytest.mark.parametrize(
    ("averaged", "title"),
    [
        ([None, 1, 5], "mean over the last 5 evaluated rounds"),
        ([None, 1, 2], "mean over the last 2 evaluated rounds"),
        ([None, 1, 1], "of the last evaluated round"),
        ([None], "mean over the last 5 evaluated rounds"),
    ],
)
def test_the_title_says_over_how_many_rounds_it_is_the_mean(averaged: list[int | None], title: str) -> None:
    assert f"[/s]: accuracy in % ({title})" in " ".join(text(results_table(result(*averaged))).split())
