"""The schema of result.json: one for writing and for reading."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from fedsilo.core import Budget, Measures, Metric
from fedsilo.core.errors import RunError
from fedsilo.report.results.result_schema import find_fault, make_result_model, write_result
from fedsilo.report.results.summary import summarise
from fedsilo.simulation.chance_floor import Floor
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.tasks.classification import Classification

MEASURED = Classification().measured


def complete(budget: Budget | None = None) -> dict[str, Any]:
    """A document as a run writes it, of two methods and three rounds."""
    records = tuple(
        {**dict.fromkeys(MEASURED.names), "round": n, "local_accuracy": 0.5 + n / 10, "clock_s": 2.5} for n in range(3)
    )
    outcome = Outcome(records, ({"client": 0, "correct": 1},), "s", ("p", "q"), ())
    document = summarise("x", {"x": outcome, "y": outcome}, Floor(MEASURED, {"accuracy": 0.25}), 2, budget)
    return {"scenario": "by-hand", "seed": 3, **document, "notices": ["one"]}


def test_what_a_run_writes_is_what_is_read(tmp_path: Path) -> None:
    path, document = tmp_path / "result.json", complete(Budget(math.inf, 1e-5, True, "client"))
    write_result(path, document, MEASURED)
    found = json.loads(path.read_text())
    assert found["privacy"]["epsilon"] is None
    assert {**found, "privacy": 0} == {**json.loads(json.dumps(document)), "privacy": 0}
    assert list(found) == list(document)
    assert find_fault(found, MEASURED) == find_fault(found, MEASURED, "forbid") == ""


FAULTS: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda r: r.pop("rows"), "rows is missing"),
    (lambda r: r.update(sha256=None), "sha256 is missing"),
    (lambda r: r["rows"][2].pop("role"), "rows[2].role is missing"),
    (lambda r: r["rows"][1].update(local_accuracy=None), "rows[1].local_accuracy is missing"),
    (lambda r: r["rows"][1].update(local_accuracy="high"), "rows[1].local_accuracy must be a number"),
    (lambda r: r["rows"][1].update(worst_accuracy=True), "rows[1].worst_accuracy must be a number"),
    (lambda r: r["rows"][1].update(best_round=1.5), "rows[1].best_round must be a whole number"),
    (lambda r: r["headline"].update(last_rounds=True), "headline.last_rounds must be a whole number"),
    (lambda r: r.update(headline=[]), "headline must be an object"),
    (lambda r: r.update(warnings="none"), "warnings must be a list"),
    (lambda r: r.update(notices=[1]), "notices[0] must be text"),
    (lambda r: r.update(scenario=7), "scenario must be text"),
    (lambda r: r.update(privacy={"epsilon": 3}), "privacy.delta is missing"),
    (lambda r: r["privacy"].update(guaranteed=1), "privacy.guaranteed must be true or false"),
    (lambda r: r["hashes"]["x"].update(private="p"), "hashes.x.private must be a list"),
    (lambda r: r["metrics"][0].update(higher="yes"), "metrics[0].higher must be true or false"),
]


@pytest.mark.parametrize(("edit", "fault"), FAULTS, ids=[fault for _, fault in FAULTS])
def test_a_fault_is_named_with_its_place_when_read_and_when_written(
    edit: Callable[[dict[str, Any]], Any], fault: str, tmp_path: Path
) -> None:
    document = complete(Budget(3.0, 1e-5, True, "client"))
    edit(document)
    assert find_fault(document, MEASURED) == fault
    with pytest.raises(RunError) as caught:
        write_result(tmp_path / "result.json", document, MEASURED)
    assert str(caught.value).startswith(f"{tmp_path / 'result.json'}: cannot be written: {fault}. Correct")
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize("place", [(), ("headline",), ("rows", 1), ("privacy",), ("hashes", "y")])
def test_a_key_outside_of_the_schema_is_read_and_not_written(place: tuple[Any, ...], tmp_path: Path) -> None:
    document = complete(Budget(3.0, 1e-5, True, "client"))
    inside: Any = document
    for part in place:
        inside = inside[part]
    inside["surplus"] = 1
    assert find_fault(document, MEASURED) == ""
    with pytest.raises(RunError, match=r"surplus is not in the schema"):
        write_result(tmp_path / "result.json", document, MEASURED)


def test_a_result_of_an_earlier_version_is_read() -> None:
    document = deepcopy(complete())
    for key in ("metrics", "seed", "method", "hashes", "privacy"):
        del document[key]
    del document["headline"]["measure"]
    assert find_fault(document, MEASURED) == ""


def test_rows_have_the_metrics_of_the_task_whatever_their_names() -> None:
    measures = Measures((Metric("model_config", ratio=False, higher=False),))
    document = complete()
    document["rows"] = [{"method": "x", "role": "method", "local_model_config": 2}]
    assert find_fault(document, measures) == ""
    document["rows"][0]["worst_model_config"] = "low"
    assert find_fault(document, measures) == "rows[0].worst_model_config must be a number"


def test_the_model_makes_a_json_schema() -> None:
    schema = make_result_model(MEASURED).model_json_schema()
    row = schema["$defs"]["Row_of_a_result"]["properties"]
    assert row["local_accuracy"]["type"] == "number"
    assert {"scenario", "headline", "rows"} <= set(schema["required"])


def test_a_number_that_json_cannot_hold_is_refused_where_it_is_needed(tmp_path: Path) -> None:
    document = complete()
    document["rows"][2]["local_accuracy"] = math.nan
    with pytest.raises(RunError, match=r"rows\[2\]\.local_accuracy is missing"):
        write_result(tmp_path / "result.json", document, MEASURED)
