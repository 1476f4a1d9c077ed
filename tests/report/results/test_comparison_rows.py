"""Rows of a comparison, from results written by hand."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core.errors import RunError
from fedsilo.report.results.comparison_rows import compare_entries
from fedsilo.report.results.run_entry import RunEntry, list_settings
from fedsilo.report.terminal.comparison_table import format_row, list_titles, to_csv, to_document, to_markdown


class Shelf:
    """Finished runs that never ran."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0

    def __call__(self, method: str, seed: int, local: float, split: str = "s", **changes: Any) -> RunEntry:
        self._count += 1
        folder = self._folder / f"run-{self._count}"
        folder.mkdir()
        last, sha = changes.pop("last", 5), changes.pop("sha", f"{method}{seed}{local}")
        measured = {"local_spread": 0.1, "worst_accuracy": local - 0.2, "best_local_accuracy": local + 0.1}
        rows: list[dict[str, Any]] = [
            {"method": "chance", "role": "reference", "local_accuracy": 0.25},
            {"method": "zero_shot", "role": "reference", "local_accuracy": 0.4, "neighbour_accuracy": None},
        ]
        if method != "zero_shot":
            own = {"method": method, "role": "method", "local_accuracy": local, "neighbour_accuracy": None}
            rows.append({**own, **measured})
        rest = {"scenario": "s", "warnings": [], "notices": [], "privacy": None}
        documents: dict[str, dict[str, Any]] = {
            "result.json": {**rest, "rows": rows, "sha256": sha, "headline": {"last_rounds": last, "value": local}},
            "data.json": {
                **{"split_sha256": f"{split}{seed}", "backbone_sha256": "b", "template": "a {}."},
                **changes.pop("data_json", {}),
            },
            "environment.json": {"packages": {"torch": changes.pop("torch", "2.9")}, "code": "c"},
            "scenario.yaml": {"method": method, "seed": seed},
        }
        for name, content in documents.items():
            (folder / name).write_text(json.dumps(content))
        return RunEntry(self._scenario(method, seed, changes), folder)

    def failed(self, method: str, seed: int, why: str, **changes: Any) -> RunEntry:
        return RunEntry(self._scenario(method, seed, changes), None, why)

    def _scenario(self, method: str, seed: int, changes: dict[str, Any]) -> Any:
        keys = {key.replace("__", "."): value for key, value in changes.items()}
        return from_mapping({"method": method, "seed": seed, **keys})


@pytest.fixture
def run(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_a_row_is_mean_and_deviation_over_seeds(run: Shelf) -> None:
    found = compare_entries("t", [run("local", 1, 0.7), run("local", 0, 0.5), run("promptfl", 0, 0.6)])
    assert [row.method for row in found.rows] == ["chance", "zero_shot", "local", "promptfl"]
    local, promptfl = found.rows[2:]
    assert local.seeds == (0, 1)
    assert local.mean["local_accuracy"] == pytest.approx(0.6)
    assert local.deviation["local_accuracy"] == pytest.approx(0.02**0.5)  # n - 1: ((0.1)^2 + (0.1)^2) / 1
    assert local.mean["worst_accuracy"] == pytest.approx(0.4)
    assert promptfl.deviation == {}
    assert list_titles(found) == ["method", "local", "spread", "worst", "best*", "seeds"]
    assert format_row(found, local) == ["local", "60.0 ± 14.1", "10.0", "40.0", "70.0", "2"]
    assert format_row(found, promptfl) == ["promptfl", "60.0", "10.0", "40.0", "70.0", "1"]
    assert any("same partition for the same seed (sha256: seed 0 s0, seed 1 s1)" in note for note in found.notes)


def test_what_differs_within_a_method_is_a_column_and_what_differs_between_methods_a_note(run: Shelf) -> None:
    one, other = ({"training__local_epochs": epochs, "training__batch_size": 8} for epochs in (1, 2))
    found = compare_entries("t", [run("local", 0, 0.5, **one), run("local", 0, 0.6, **other), run("promptfl", 0, 0.7)])
    assert found.varied == ("training.local_epochs",)
    assert list_titles(found)[:2] == ["method", "local_epochs"]
    assert [row.varied.get("training.local_epochs") for row in found.rows[2:]] == ["1", "2", "1"]
    assert "not the same for all methods: training.batch_size is 8 for local; 32 for promptfl." in found.notes


def test_different_partitions_for_one_seed_get_letters_and_floors_of_their_own(run: Shelf) -> None:
    runs = [run("local", 0, 0.5), run("local", 1, 0.5), run("promptfl", 0, 0.6, split="other")]
    found = compare_entries("t", runs)
    assert found.grounds == ("A", "B")
    assert [(row.method, row.ground) for row in found.rows] == [
        ("chance", "A"), ("zero_shot", "A"), ("chance", "B"), ("zero_shot", "B"), ("local", "A"), ("promptfl", "B"),
    ]  # fmt: skip
    assert list_titles(found)[1] == "ground"
    assert any("compare only those with the same letter" in note for note in found.notes)
    assert not any("same partition for the same seed" in note for note in found.notes)


def test_other_candidates_are_another_ground(run: Shelf) -> None:
    """The open world on the same images has other zero-shot numbers than the closed one."""
    closed, opened = ({"data_json": {"candidates_sha256": world}} for world in ("c", "o"))
    found = compare_entries("t", [run("local", 0, 0.5, **closed), run("promptfl", 0, 0.6, **opened)])
    assert [row.ground for row in found.rows if row.method == "zero_shot"] == ["A", "B"]
    assert any("candidates" in note and "same letter" in note for note in found.notes)
    assert compare_entries("t", [run("local", 1, 0.5, **closed), run("promptfl", 1, 0.6, **closed)]).grounds == ("A",)


def test_rows_with_other_seeds_stand_on_the_same_ground(run: Shelf) -> None:
    assert compare_entries("t", [run("local", 0, 0.5), run("promptfl", 1, 0.5)]).grounds == ("A",)


def test_the_same_run_twice_counts_once_and_two_results_of_it_are_refused(run: Shelf) -> None:
    assert compare_entries("t", [run("local", 0, 0.5), run("local", 0, 0.5)]).rows[-1].seeds == (0,)
    with pytest.raises(RunError, match="has another result than"):
        compare_entries("t", [run("local", 0, 0.5), run("local", 0, 0.6)])


def test_a_failed_run_is_said_in_its_row(run: Shelf) -> None:
    found = compare_entries(
        "t", [run("local", 0, 0.5), run.failed("local", 1, "loss is nan"), run.failed("promptfl", 0, "x")]
    )
    local, promptfl = found.rows[-2:]
    assert format_row(found, local)[-1] == "1 of 2"
    assert format_row(found, promptfl) == ["promptfl", "failed", "", "", "", "0 of 1"]
    assert found.failures == ["local, seed 1: loss is nan", "promptfl, seed 0: x"]
    assert "- failed: local, seed 1: loss is nan\n" in to_document(found)


def test_a_comparison_in_which_all_failed_is_still_a_table(run: Shelf) -> None:
    found = compare_entries("t", [run.failed("local", 0, "x")])
    assert list_titles(found) == ["method", "local", "seeds"]
    assert [row.method for row in found.rows] == ["local"]


def test_zero_shot_that_is_compared_itself_has_one_row(run: Shelf) -> None:
    found = compare_entries("t", [run("zero_shot", 0, 0.4), run("local", 0, 0.5)])
    assert [(row.method, row.floor) for row in found.rows] == [("chance", True), ("zero_shot", False), ("local", False)]


def test_headlines_over_different_numbers_of_rounds_and_mixed_versions_are_said(run: Shelf) -> None:
    notes = compare_entries("t", [run("local", 0, 0.5), run("promptfl", 0, 0.5, last=10, torch="2.8")]).notes
    assert (
        "every number but best* is a mean over the last evaluated rounds, not as many for all: 5 for local; "
        in notes[0]
    )
    assert "runs were made with different versions: torch 2.8, 2.9." in notes


def test_csv_and_markdown_hold_the_table(run: Shelf) -> None:
    found = compare_entries("t", [run("local", 0, 0.5), run("local", 1, 0.7), run.failed("promptfl", 0, "a | b")])
    frame = pd.read_csv(io.StringIO(to_csv(found)))
    assert list(frame["method"]) == ["chance", "zero_shot", "local", "promptfl"]
    assert frame["local_accuracy"][2] == pytest.approx(0.6)
    assert frame["local_accuracy_std"][2] == pytest.approx(0.02**0.5)
    assert list(frame["seeds"])[2] == "0 1"
    lines = to_markdown(found).splitlines()
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: | ---: |"
    assert lines[4] == "| local | 60.0 ± 14.1 | 10.0 | 40.0 | 70.0 | 2 |"
    assert len(lines) == 6


def test_settings_are_what_numbers_depend_on() -> None:
    one = from_mapping({"name": "a", "actors": {"backend": "serial"}, "tracking.root": "x"})
    other = from_mapping({"name": "b", "evaluation.references": ["local"], "tracking.checkpoints": 7})
    assert list_settings(one) == list_settings(other)
    for change in ({"seed": 1}, {"actors.threads": 2}, {"training.rounds": 3}, {"method": "local"}):
        assert list_settings(from_mapping(change)) != list_settings(from_mapping({}))


def test_methods_that_synchronise_differently_are_told(run: Shelf) -> None:
    found = compare_entries("t", [run("dpfpl", 0, 0.5), run("promptfl", 0, 0.6), run("local", 0, 0.7)])
    (line,) = [note for note in found.notes if note.startswith("not the same for all methods")]
    assert line == "not the same for all methods: method.synchronise is batch for dpfpl; round for promptfl, local."
