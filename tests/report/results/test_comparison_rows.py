"""Rows of a comparison, from results written by hand."""

import pytest
from tests.report.conftest import Shelf

from fedsilo.core.errors import RunError
from fedsilo.report.results.comparison_rows import compare_entries
from fedsilo.report.terminal.comparison_table import format_row, list_titles, to_document


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
