"""Builds result.json from the outcomes of all methods: headline, comparison rows, warnings and hashes.

The headline is the mean over the last evaluated rounds. The best round stands beside it and is marked, because it is
selected with the test set. Where the data set has validation images, the round that is the best on them stands there
too: it is selected without the test set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fedsilo.core import Budget, Measures
from fedsilo.core.metrics import SELECTED, VALIDATION
from fedsilo.simulation.chance_floor import Floor
from fedsilo.simulation.federation_plan import Outcome


def summarise(
    method: str, outcomes: Mapping[str, Outcome], floor: Floor, last: int, budget: Budget | None
) -> dict[str, Any]:
    """Builds the document of result.json.

    Args:
        method: Name of the scenario's method; all other outcomes are references.
        outcomes: Outcomes by method name.
        floor: The task's metrics, with the row of random guessing.
        last: Evaluated rounds that the headline averages.
        budget: Epsilon and delta that were spent; None without a guarantee.

    Returns:
        The document.
    """
    measures = floor.measures
    rows = [floor.row]
    rows += [
        summarise_method(name, "reference", outcome, last, measures)
        for name, outcome in outcomes.items()
        if name != method
    ]
    rows.append(summarise_method(method, "method", outcomes[method], last, measures))
    hashes = {name: _hashes(outcome) for name, outcome in outcomes.items()}
    return {
        "method": method,
        "metrics": [asdict(metric) for metric in measures.metrics],
        "headline": {"measure": measures.local, "value": rows[-1][measures.local], "last_rounds": last},
        "rows": rows,
        "warnings": _warnings(rows, measures),
        "privacy": None if budget is None else asdict(budget),
        "hashes": hashes,
        "sha256": hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest(),
    }


def summarise_method(name: str, role: str, outcome: Outcome, last: int, measures: Measures) -> dict[str, Any]:
    """Summarises one method as a comparison row.

    Args:
        name: Name of the method.
        role: "method" or "reference".
        outcome: Its outcome.
        last: Evaluated rounds to average.
        measures: Metrics of the task.

    Returns:
        Each measure as the mean over the last evaluated rounds, the best round, and the round that validation images
        select where there are any.
    """
    evaluated = [record for record in outcome.records if record[measures.local] is not None]
    recent = evaluated[-last:]  # fewer, where fewer were evaluated
    sign = 1 if measures.headline.higher else -1
    best = max(evaluated, key=lambda record: sign * float(str(record[measures.local])))
    clock = outcome.records[-1].get("clock_s")
    return {
        "method": name,
        "role": role,
        **{measure: _mean(recent, measure) for measure in measures.names},
        "averaged_rounds": len(recent),
        measures.first: evaluated[0][measures.local],
        measures.best: best[measures.local],
        "best_round": best["round"],
        "rounds": len(outcome.records),
        **_select_by_validation(evaluated, measures),
        **({} if clock is None else {"simulated_s": clock}),
    }


def _select_by_validation(evaluated: Sequence[Mapping[str, Any]], measures: Measures) -> dict[str, Any]:
    """The round with the best headline on validation images, the first of equal ones, and what it measures."""
    by, sign = measures.of(VALIDATION), 1 if measures.headline.higher else -1
    validated = [record for record in evaluated if record.get(by) is not None]
    if not validated:
        return {}
    chosen = max(validated, key=lambda record: sign * float(record[by]))
    values = {SELECTED + name: chosen[name] for name in measures.names if chosen.get(name) is not None}
    return {"selected_round": chosen["round"], **values}


def _mean(records: Sequence[Mapping[str, Any]], measure: str) -> float | None:
    values = [record[measure] for record in records if record.get(measure) is not None]
    return sum(values) / len(values) if values else None


def _warnings(rows: Sequence[Mapping[str, Any]], measures: Measures) -> list[str]:
    name, metric = measures.local, measures.headline
    floors = {str(row["method"]): row[name] for row in rows if row["method"] in ("chance", "zero_shot")}
    sign, unit = (1 if metric.higher else -1), " %" * metric.ratio
    return [
        f"{row['method']} ends at {metric.written(row[name])}{unit}, {'below' if metric.higher else 'above'} {floor} "
        f"({metric.written(value)}{unit}). Check the learning rate, the number of rounds and the class names."
        for row in rows
        for floor, value in floors.items()
        if row["method"] not in floors and sign * row[name] < sign * value
    ]


def _hashes(outcome: Outcome) -> dict[str, Any]:
    scores = json.dumps([{k: v for k, v in score.items() if k != "round"} for score in outcome.scores], sort_keys=True)
    return {
        "shared": outcome.shared_sha256,
        "private": list(outcome.private_sha256),
        "scores": hashlib.sha256(scores.encode()).hexdigest(),
    }
