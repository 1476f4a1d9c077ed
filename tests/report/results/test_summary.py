"""result.json from outcomes: the headline averages the last evaluated rounds, not the first."""

from __future__ import annotations

import pytest

from fedsilo.report.results.summary import row, summarise
from fedsilo.simulation.chance_floor import Floor
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.tasks.classification import Classification

FLOOR = Floor(Classification().measured, {"accuracy": 0.25})


def outcome(*accuracies: float | None) -> Outcome:
    records = tuple({"round": n, "local_accuracy": value} for n, value in enumerate(accuracies))
    return Outcome(records, ({"client": 0, "correct": 1},), "s", ("p",), ())


@pytest.mark.parametrize(("last", "mean", "count"), [(1, 0.7, 1), (2, 0.6, 2), (3, 0.7, 3), (10, 0.55, 4)])
def test_the_headline_is_the_mean_of_the_last_evaluated_rounds(last: int, mean: float, count: int) -> None:
    found = row("x", "method", outcome(0.1, None, 0.9, 0.5, None, 0.7), last, FLOOR.measures)
    assert found["local_accuracy"] == pytest.approx(mean)
    assert (found["averaged_rounds"], found["rounds"]) == (count, 6)
    assert (found["first_local_accuracy"], found["best_local_accuracy"], found["best_round"]) == (0.1, 0.9, 2)


def test_the_method_is_the_last_row_and_its_mean_the_headline() -> None:
    document = summarise("x", {"x": outcome(0.2, 0.4), "y": outcome(0.9, 0.8)}, FLOOR, 1, None)
    assert [line["method"] for line in document["rows"]] == ["chance", "y", "x"]
    assert document["headline"] == {"measure": "local_accuracy", "value": 0.4, "last_rounds": 1}
    assert document["warnings"] == []


def test_a_method_below_chance_has_a_warning() -> None:
    (line,) = summarise("x", {"x": outcome(0.9, 0.1)}, FLOOR, 1, None)["warnings"]
    assert all(fact in line for fact in ("x", "10.0", "below chance", "25.0"))
