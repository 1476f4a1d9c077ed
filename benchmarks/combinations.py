"""Every learner under every strategy: accuracy after a few rounds, and which pairs are refused, with the reason.

Drawn emblems of six classes in two styles, a client for each of three parts, fedsilo-tiny; one step per client and
round. The numbers show that each pair trains, not which is best: rates and keys are the same for all. A learner whose
factors last one batch has every batch's gradient sent.

Run: python benchmarks/combinations.py [--rounds 3] [--folder DIR]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import fedsilo
from fedsilo.core import Learner, Strategy
from fedsilo.core.registry import find, names
from fedsilo.methods.composed import Composed
from fedsilo.training.composition_learner import CompositionLearner

SCENARIO: dict[str, Any] = {
    "name": "combinations",
    "data": {
        "name": "emblems",
        "classes": 6,
        "domains": ["photo", "sketch"],
        "train_per_class_and_domain": 8,
        "test_per_class_and_domain": 8,
    },
    "backbone": "fedsilo-tiny",
    "partition": {"clients": 3, "label": {"name": "dirichlet", "beta": 1.0}},
    "training": {"batch_size": 32, "optimizer": {"learning_rate": 0.02}},
    "actors": {"backend": "serial"},
}
KEYS = {"context_length": 4, "rank": 2}
ROUND, BATCH = "round", "batch"


def choose_parts() -> tuple[list[str], list[str]]:
    """Returns the learners and the strategies, without those that need a data set of pairs."""
    learners = [name for name in names(Learner) if not issubclass(find(Learner, name), CompositionLearner)]
    return learners, [name for name in names(Strategy) if name != "rowwise"]


def keys_of(cls: Any) -> dict[str, Any]:
    """Returns the keys of the comparison that a component has."""
    return {field.name: KEYS[field.name] for field in fields(cls) if field.name in KEYS}


def pairs() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Returns the pairs that can be trained, by what clients send, and the refused pairs by reason."""
    trained: dict[str, list[str]] = {ROUND: [], BATCH: []}
    refused: dict[str, list[str]] = {}
    learners, strategies = choose_parts()
    for learner in learners:
        made: Any = find(Learner, learner)
        for strategy in strategies:
            cls: Any = find(Strategy, strategy)
            found = {way: Composed(made(**keys_of(made)), cls(synchronise=way)) for way in trained}
            lines = {way: method.problems() for way, method in found.items()}
            name = f"{learner}+{strategy}"
            if not lines[ROUND]:
                trained[ROUND].append(name)
            elif not lines[BATCH]:
                trained[BATCH].append(name)
            else:
                worst = lines[BATCH] if lines[ROUND][0].startswith("strategy.synchronise") else lines[ROUND]
                refused.setdefault(worst[0], []).append(name)
    return trained, refused


def accuracies(methods: Sequence[str], way: str, rounds: int, folder: Path) -> Mapping[str, float]:
    """Returns the accuracy of each pair, and of the hand-written prompt, on clients' own images."""
    learner, _, strategy = methods[0].partition("+")
    own = {**keys_of(find(Learner, learner)), "learner": learner, "strategy": {"name": strategy, "synchronise": way}}
    scenario = {
        **SCENARIO,
        "method": own,
        "training": {**SCENARIO["training"], "rounds": rounds},
        "evaluation": {"references": list(methods[1:]), "last": 1},
        "tracking": {"root": str(folder)},
    }
    return {row["method"]: row["local_accuracy"] for row in fedsilo.run(scenario).result["rows"]}


def table(found: Mapping[str, float], refused: Mapping[str, Sequence[str]]) -> str:
    """Returns accuracies in %, a row for each learner, and the refusals, as Markdown."""
    learners, strategies = choose_parts()
    lines = ["| learner | " + " | ".join(strategies) + " |", "|---" * (len(strategies) + 1) + "|"]
    for learner in learners:
        cells = [found.get(f"{learner}+{strategy}") for strategy in strategies]
        lines.append("| ".join(["", learner + " ", *("– " if c is None else f"{100 * c:.0f} " for c in cells)]) + "|")
    lines += ["", f"The hand-written prompt: {100 * found['zero_shot']:.0f}.", "", "Refused:", ""]
    for reason, which in refused.items():
        lines.append(f"- {', '.join(f'`{name}`' for name in which)}: {reason.partition(': ')[2]}")
    return "\n".join(lines)


def main() -> None:
    """Trains all pairs and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    trained, refused = pairs()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for way, methods in trained.items():
            found |= accuracies(methods, way, options.rounds, options.folder or Path(temporary))
    print(table(found, refused))


if __name__ == "__main__":
    main()
