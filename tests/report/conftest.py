"""Run folders made by hand, with any number of clients and rounds, and with names that are HTML."""

from __future__ import annotations

import fcntl
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core import Examples, LabelledImages, Share
from fedsilo.partitioning.manifest import freeze
from fedsilo.report.results.finished_run import Run
from fedsilo.report.results.progress_overview import read_overview
from fedsilo.report.results.run_entry import RunEntry
from fedsilo.report.terminal.overview_table import overview_table
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


@pytest.fixture
def held() -> Iterator[Callable[[Path], None]]:
    """Returns held(path): a lock that is kept until the test ends."""
    files = []

    def hold(path: Path) -> None:
        files.append(path.open("a+"))
        fcntl.flock(files[-1], fcntl.LOCK_EX)

    yield hold
    for file in files:
        file.close()


def shown_overview(run: Run, width: int = 160) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(overview_table(read_overview(run), width))
    return out.getvalue()
