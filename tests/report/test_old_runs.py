"""Run folders of versions without `metrics` in result.json and without `task` in scenario.yaml."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console, RenderableType

from fedsilo.core.registry import name_of
from fedsilo.report.page.document import draw_page
from fedsilo.report.page.page_data import read_page_data
from fedsilo.report.results.comparison_rows import compare_entries
from fedsilo.report.results.finished_run import Run
from fedsilo.report.results.progress_overview import read_overview
from fedsilo.report.results.run_entry import RunEntry
from fedsilo.report.terminal.comparison_table import comparison_table
from fedsilo.report.terminal.overview_table import overview_table
from fedsilo.report.terminal.run_tables import clients_table, results_legend, results_table, rounds_table
from fedsilo.runs.trackers import select_numbers

ABSENT = {"unseen_accuracy": None, "new_accuracy": None, "harmonic_accuracy": None}
MEASURED = {"local_spread": 0.035, "worst_accuracy": 0.8, "neighbour_accuracy": 0.5, "global_accuracy": 0.6, **ABSENT}
BEGAN = {"first_local_accuracy": 0.4, "best_local_accuracy": 0.95, "best_round": 2, "rounds": 4}

ROUND: dict[str, Any] = {
    **{"round": 0, "participants": [0, 1, 2], "loss": 0.2, "local_accuracy": 0.9, **MEASURED, "accuracy": 0.9},
    **{"upload_bytes": 409600, "download_bytes": 409600, "exchanges": 5, "dropped": [], "late": [], "offline": []},
    **{"staleness": [], "simulated_s": None, "clock_s": None, "epsilon": None, "shared_sha256": "a5"},
    **{"seconds": {"train": 0.6, "evaluate": 0.1}, "slowest": {"client": 2, "seconds": 0.07, "median": 0.06}},
    **{"attempts": 1},
}
CLIENT = {"round": 0, "correct": 55, "examples": 60, "accuracy": 0.9167, "loss": 0.28, "neighbour_accuracy": 0.55}
RESULT: dict[str, Any] = {
    **{"scenario": "by-hand", "seed": 0, "method": "promptfl"},
    "headline": {"measure": "local_accuracy", "value": 0.9112, "last_rounds": 3},
    "rows": [
        {"method": "chance", "role": "reference", "local_accuracy": 0.25, "accuracy": 0.25},
        {"method": "promptfl", "role": "method", "local_accuracy": 0.9112, **MEASURED, "averaged_rounds": 3, **BEGAN},
    ],
    **{"warnings": [], "privacy": None, "hashes": {}, "sha256": "2e", "notices": []},
}
RESULT["rows"].insert(1, {**RESULT["rows"][1], "method": "zero_shot", "role": "reference", "local_accuracy": 0.6944})


@pytest.fixture
def old(made: Callable[..., Run]) -> Run:
    run = made()
    (run.folder / "rounds.jsonl").write_text("".join(json.dumps({**ROUND, "round": n}) + "\n" for n in range(4)))
    scores = [{**CLIENT, "round": number, "client": client} for number in range(4) for client in range(3)]
    (run.folder / "clients.jsonl").write_text("".join(json.dumps(score) + "\n" for score in scores))
    (run.folder / "result.json").write_text(json.dumps(RESULT))
    grounds = {"split_sha256": "s", "backbone_sha256": "b", "template": "a {}."}
    (run.folder / "data.json").write_text(json.dumps(grounds))
    (run.folder / "environment.json").write_text(json.dumps({"packages": {}, "code": "c"}))
    assert "task" not in (run.folder / "scenario.yaml").read_text()
    return run


def shown(what: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(what)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_an_old_run_is_shown_in_every_table(old: Run) -> None:
    table = shown(results_table(old.result))
    assert "accuracy in %" in table
    assert "91.1" in table
    assert "mean over clients of the accuracy on their own test images" in results_legend(old.result)
    assert "90.0" in shown(rounds_table(old))
    assert "91.7" in shown(clients_table(old))
    assert "91.1" in shown(comparison_table(compare_entries("t", [RunEntry(old.scenario, old.folder)])))
    assert "90.0 %" in shown(overview_table(read_overview(old)))


def test_an_old_run_has_a_page(old: Run) -> None:
    html = draw_page(read_page_data(old))
    assert "local accuracy, promptfl" in html
    assert "91.1 %" in html
    assert "damaged" not in html
    assert "could not be read" not in html


def test_what_loggers_are_told_of_an_old_round_is_as_it_was() -> None:
    assert {"local_accuracy", "worst_accuracy", "accuracy", "local_spread"} <= set(select_numbers(ROUND))


def test_old_keys_of_a_run_s_scenario_are_read_without_a_notice(old: Run) -> None:
    path = old.folder / "scenario.yaml"
    path.write_text("pace: {deadline_s: 9}\ntrace: speeds\naggregation: ring\nactors: {backend: serial}\n")
    scenario = Run(old.folder).scenario
    assert (scenario.stragglers.deadline_s, scenario.availability.timed) == (9, True)
    assert name_of(scenario.aggregation) == "modular"
