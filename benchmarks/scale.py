"""Seconds per round and memory with 10, 100 and 1,000 clients on the cores of one machine.

The same emblems are dealt out to so many clients, who learn a prompt together (PromptFL, fedsilo-tiny); as many actors
as the machine has cores host them, at most two. Every row is a run of its own, in a process of its own:

    steps         training steps of all clients in a round
    s per round   median over rounds but the first, evaluation, records and checkpoint included
    own           of these, what the coordinator does not spend waiting for clients
    MB            largest sum over all processes while clients are there, pages that several share counted once:
                  the driver, the coordinator, the hosts of the clients, Ray's own processes
    KB a client   what the hosts hold to themselves after the last round beyond the first row's, per client more

Linux only (/proc). Run: python benchmarks/scale.py [--clients 10 100 1000] [--rounds 5] [--actors 2] [--set KEY=VALUE]
Growth of memory over many rounds: python benchmarks/scale.py --clients 20 --rounds 200 --growth
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from fedsilo.config.scenario_reading import from_mapping
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.run import RunCallbacks, begin, go
from fedsilo.storage.run_folder import read_lines
from fedsilo_actors.placement.packing import estimate_work
from fedsilo_actors.ray_backend import RayBackend
from fedsilo_actors.runtime import RayRuntime

KINDS = {"ray::HostActor": "hosts", "ray::Coordinator": "coordinator"}
MB, EVERY_S = 1e6, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--actors", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="changes of the scenario")
    parser.add_argument("--growth", action="store_true", help="memory by round instead of the table")
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.row is not None:
        print(json.dumps(row(asked.row, asked)))
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("FEDSILO_CACHE", cache)
        rows = [in_a_process(clients) for clients in asked.clients]
    for line in growth(rows) if asked.growth else table(rows, asked):
        print(line)


def in_a_process(clients: int) -> dict[str, Any]:
    command = [sys.executable, __file__, *sys.argv[1:], "--row", str(clients)]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    result: dict[str, Any] = json.loads(found.splitlines()[-1])
    return result


def table(rows: Sequence[Mapping[str, Any]], asked: argparse.Namespace) -> Iterator[str]:
    parts = ("driver", "coordinator", "hosts", "ray")
    yield f"{asked.actors} actors, {asked.rounds} rounds, {os.cpu_count()} cores; MB of all processes and of each kind"
    titles = ("clients", "steps", "s per round", "own", "s in all", "MB", *parts, "KB a client")
    yield "".join(f"{title:>13}" for title in titles)
    first = rows[0]
    for found in rows:
        more = found["clients"] - first["clients"]
        held = f"{(found['held'] - first['held']) * 1000 / more:.1f}" if more else ""
        memory = (found["peak"][part] for part in ("all", *parts))
        timed = (f"{found['seconds']:.3f}", f"{found['own']:.3f}", f"{found['total']:.0f}")
        cells = (found["clients"], found["steps"], *timed, *(f"{value:.0f}" for value in memory), held)
        yield "".join(f"{cell:>13}" for cell in cells)


def growth(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for found in rows:
        yield f"{found['clients']} clients: MB by round"
        for number, memory in found["by_round"].items():
            yield f"{number:>6}  " + "   ".join(f"{name} {value:.1f}" for name, value in memory.items())


def row(clients: int, asked: argparse.Namespace) -> dict[str, Any]:
    RayRuntime.backend = Timed
    with tempfile.TemporaryDirectory() as root:
        started = time.perf_counter()
        folder = begin(from_mapping(scenario(clients, asked), [*asked.set, f"tracking.root={root}"]))
        memory = Memory()
        last, by_round = asked.rounds - 1, {}

        def watch(part: str, record: Any) -> None:
            if part == "zero_shot":
                return
            if (asked.growth and (record.round + 1) % max(asked.rounds // 8, 1) == 0) or record.round == last:
                by_round[record.round + 1] = memory.now(own=True)

        go(folder, RunCallbacks(watch=watch))
        memory.stop()
        times = read_lines(folder / "timed.jsonl")
        sizes, training = Run(folder).manifest.training_sizes, Run(folder).scenario.training
    rounds = [(b["at"] - a["at"], b["waited"] - a["waited"]) for a, b in pairwise(times)]
    return {
        "clients": clients,
        "steps": sum(estimate_work(training, sizes)) - clients,
        "seconds": statistics.median(whole for whole, _ in rounds),
        "own": statistics.median(whole - waited for whole, waited in rounds),
        "total": time.perf_counter() - started,
        "peak": memory.peak,
        "held": by_round[asked.rounds]["hosts"],
        "by_round": by_round,
    }


def scenario(clients: int, asked: argparse.Namespace) -> dict[str, Any]:
    return {
        "name": "scale",
        "data": {"name": "emblems", "train_per_class_and_domain": 14, "test_per_class_and_domain": 8},
        "partition": {"clients": clients},
        "method": {"name": "promptfl", "context_length": 4},
        "training": {"rounds": asked.rounds},
        "evaluation": {"neighbours": "never"},
        "actors": {"clients_per_actor": math.ceil(clients / asked.actors), "object_store_mb": 200},
    }


class Timed(RayBackend):
    """Notes after every round how long the coordinator has waited for clients so far."""

    waited = 0.0

    def _answers(self, *arguments: Any) -> list[Any]:
        with self._waiting():
            return super()._answers(*arguments)

    def _gather_available(self, *arguments: Any) -> dict[int, Any]:
        with self._waiting():
            return super()._gather_available(*arguments)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.waited += time.perf_counter() - started

    def save(self, folder: Path) -> dict[int, str]:
        hashes = super().save(folder)
        with (folder.parent.parent / "timed.jsonl").open("a") as file:
            line = {"round": int(folder.name.split("-")[1].split(".")[0]), "at": time.perf_counter()}
            file.write(json.dumps({**line, "waited": self.waited}) + "\n")
        return hashes


class Memory:
    """Looks at this process and all below it, again and again, in a thread of its own."""

    def __init__(self) -> None:
        self.peak: dict[str, float] = {"all": 0.0}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def now(self, own: bool = False) -> dict[str, float]:
        """MB by kind of process: with shared pages counted once in all, or without them."""
        found = dict.fromkeys(("driver", "coordinator", "hosts", "ray"), 0.0)
        for number in family(os.getpid()):
            kind = "driver" if number == os.getpid() else kind_of(number)
            found[kind] += size_of(number, ("Private_Clean", "Private_Dirty") if own else ("Pss",)) / MB
        return found

    def _watch(self) -> None:
        while not self._stopped.wait(EVERY_S):
            found = self.now()
            if found["hosts"] and sum(found.values()) > self.peak["all"]:
                self.peak = {"all": sum(found.values()), **found}


def family(number: int) -> list[int]:
    """A process and all below it."""
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        below.setdefault(parent, []).append(int(path.parent.name))
    found, waiting = [], [number]
    while waiting:
        found.append(waiting.pop())
        waiting += below.get(found[-1], [])
    return found


def kind_of(number: int) -> str:
    try:
        title = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "ray"
    return next((kind for start, kind in KINDS.items() if title.startswith(start)), "ray")


def size_of(number: int, fields: Sequence[str]) -> int:
    """Bytes."""
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.split(":")[0] in fields)


if __name__ == "__main__":
    main()
