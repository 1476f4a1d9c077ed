"""From outcomes to result.json: headline numbers, comparison rows, warnings and hashes.

The headline is the mean over the last evaluated rounds. The best round stands beside it and is marked: picking it
uses the test set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fedsilo.core import Budget
from fedsilo.rounds.plan import Outcome
from fedsilo.shape import NUMBER, Maybe

MEASURES = (
    "local_accuracy",
    "local_spread",
    "worst_accuracy",
    "neighbour_accuracy",
    "global_accuracy",
    "unseen_accuracy",
    "new_accuracy",
    "harmonic_accuracy",
    "accuracy",
)
"""What a row says: each the mean over the last evaluated rounds; `contracts.RoundRecord` tells what they are."""

ROW = {
    "method": str,
    "role": str,
    **{measure: Maybe(NUMBER) for measure in MEASURES},
    "local_accuracy": NUMBER,
    "averaged_rounds": Maybe(int),
    "first_local_accuracy": Maybe(NUMBER),
    "best_local_accuracy": Maybe(NUMBER),
    "best_round": Maybe(int),
    "rounds": Maybe(int),
    "simulated_s": Maybe(NUMBER),
}
BUDGET = {"epsilon": Maybe(NUMBER), "delta": NUMBER, "guaranteed": bool, "unit": str, "note": str}
RESULT = {
    "scenario": str,
    "headline": {"value": NUMBER, "last_rounds": int},
    "rows": [ROW],
    "warnings": [str],
    "notices": [str],
    "privacy": Maybe(BUDGET),
    "sha256": str,
}
"""The shape of result.json: what its readers count on; an epsilon that is infinite is null there."""


def summarise(
    method: str, outcomes: Mapping[str, Outcome], classes: int, last: int, budget: Budget | None
) -> dict[str, Any]:
    """Returns the document of result.json.

    Args:
        method: Name of the scenario's method; all other outcomes are references.
        outcomes: Outcomes by method name.
        classes: Number of classes, for the chance row.
        last: Evaluated rounds that the headline averages.
        budget: What was spent, None where nothing is promised.
    """
    rows = [{"method": "chance", "role": "reference", "local_accuracy": 1.0 / classes, "accuracy": 1.0 / classes}]
    rows += [row(name, "reference", outcome, last) for name, outcome in outcomes.items() if name != method]
    rows.append(row(method, "method", outcomes[method], last))
    hashes = {name: _hashes(outcome) for name, outcome in outcomes.items()}
    return {
        "method": method,
        "headline": {"measure": "local_accuracy", "value": rows[-1]["local_accuracy"], "last_rounds": last},
        "rows": rows,
        "warnings": _warnings(rows),
        "privacy": None if budget is None else asdict(budget),
        "hashes": hashes,
        "sha256": hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest(),
    }


def row(name: str, role: str, outcome: Outcome, last: int) -> dict[str, Any]:
    """Returns one comparison row: each measure as mean over the last evaluated rounds, and the best round."""
    evaluated = [record for record in outcome.records if record["local_accuracy"] is not None]
    recent = evaluated[-last:]  # fewer, where fewer were evaluated
    best = max(evaluated, key=lambda record: float(str(record["local_accuracy"])))
    measures = {measure: _mean(recent, measure) for measure in MEASURES}
    clock = outcome.records[-1].get("clock_s")
    return {
        "method": name,
        "role": role,
        **measures,
        "averaged_rounds": len(recent),
        "first_local_accuracy": evaluated[0]["local_accuracy"],
        "best_local_accuracy": best["local_accuracy"],
        "best_round": best["round"],
        "rounds": len(outcome.records),
        **({} if clock is None else {"simulated_s": clock}),
    }


def _mean(records: Sequence[Mapping[str, Any]], measure: str) -> float | None:
    values = [record[measure] for record in records if record[measure] is not None]
    return sum(values) / len(values) if values else None


def _warnings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    floors = {str(row["method"]): row["local_accuracy"] for row in rows if row["method"] in ("chance", "zero_shot")}
    return [
        f"{row['method']} ends at {100 * row['local_accuracy']:.1f} %, below {floor} ({100 * value:.1f} %). "
        "Check the learning rate, the number of rounds and the class names."
        for row in rows
        for floor, value in floors.items()
        if row["method"] not in floors and row["local_accuracy"] < value
    ]


def _hashes(outcome: Outcome) -> dict[str, Any]:
    scores = json.dumps([{k: v for k, v in score.items() if k != "round"} for score in outcome.scores], sort_keys=True)
    return {
        "shared": outcome.shared_sha256,
        "private": list(outcome.private_sha256),
        "scores": hashlib.sha256(scores.encode()).hexdigest(),
    }
