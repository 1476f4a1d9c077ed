"""Run folders made by hand, with any number of clients and rounds, and with names that are HTML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsilo.core import Examples, LabelledImages, Share
from fedsilo.partitioning.manifest import freeze
from fedsilo.report.results.finished_run import Run
from fedsilo.tasks.classification import Classification

CLASSES = ('x<script>alert("x")</script>', "y & z", "c\x07", "d")
Made = Callable[..., Run]


def examples(count: int, split: str) -> Examples:
    digests = tuple(f"{split}{number}" for number in range(count))
    return Examples(np.arange(count) % len(CLASSES), np.arange(count) % 2, lambda i: None, digests)  # type: ignore


def lines(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def journals(home: Path, clients: int, rounds: int, start: float, **changes: Any) -> None:
    """Accuracies that rise from `start` by 1 % a round, and by 0.01 % a client."""
    home.mkdir(parents=True, exist_ok=True)
    none = dict.fromkeys(Classification().measured.names)
    records_of_rounds: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    wire: list[dict[str, Any]] = []
    for round in range(rounds):
        values = [start + 0.01 * round + 0.0001 * client for client in range(clients)]
        scores += [{"round": round, "client": c, "accuracy": value} for c, value in enumerate(values)]
        record = {
            **{"round": round, "participants": list(range(clients)), "loss": 1 / (round + 1), **none},
            **{"local_accuracy": float(np.mean(values)), "worst_accuracy": min(values), "local_spread": 0.01},
            **{"upload_bytes": 100 * clients, "download_bytes": 50 * clients, "exchanges": 1, "dropped": []},
            **{"epsilon": None, "seconds": {"train": 1.5, "aggregate": 0.25, "evaluate": 0.5}},
        }
        records_of_rounds.append(record | changes)
        tensors = {"context <b>": [[2, 3], "float32"]}
        common = {"round": round, "stage": "train", "exchange": 0, "clients": list(range(clients))}
        wire.append({**common, "direction": "up", "tensors": tensors, "scalars": ["loss"], "bytes_per_client": 100})
        wire.append({**common, "direction": "down", "message": "keys", "bytes_per_client": 50})
    for name, records in (("rounds", records_of_rounds), ("clients", scores), ("wire", wire)):
        lines(home / f"{name}.jsonl", records)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Returns a maker of runs that have not finished: made(clients=3, rounds=4, ...)."""

    def make(clients: int = 3, rounds: int = 4, method: str = "promptfl", **changes: Any) -> Run:
        folder = tmp_path / "run <1>"
        folder.mkdir()
        scenario = {
            **{"name": "by-hand", "method": method, "actors": {"backend": "serial"}},
            **{"training": {"rounds": rounds}, "evaluation": {"references": ["local"]}},
        }
        (folder / "scenario.yaml").write_text(json.dumps(scenario))
        images = LabelledImages(CLASSES, ("x", "<y>"), "a {}", examples(8 * clients, "a"), examples(8 * clients, "b"))
        each = [np.arange(8 * client, 8 * client + 8) for client in range(clients)]
        shares = [Share(held, held, "<y>", seen=number != 1) for number, held in enumerate(each)]
        freeze(images, shares, {"name": "x", "label": {"name": "<u>", "beta": 0.3}}, 0).write(folder / "partition.json")
        home = folder if method == "zero_shot" else folder / "references" / "zero_shot"
        journals(home, clients, 1, 0.4)
        if method != "zero_shot":
            journals(folder, clients, rounds, 0.5, **changes)
            journals(folder / "references" / "local", clients, rounds, 0.45)
        return Run(folder)

    return make
