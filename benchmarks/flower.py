"""The same clients under Flower's Ray simulation and under fedsilo: seconds a round, overhead, memory.

10 and 100 clients learn a prompt by PromptFL (fedsilo-tiny, emblems, features from the cache) in a few rounds of
training, averaging and evaluation. In both a client is fedsilo's own `Client` with one torch thread, a process hosts
any number of clients, there are as many such processes as cores (two at most), and all is kept in them between rounds.
fedsilo's rounds have their records, checksums and checkpoints in them, which Flower does not write.

    s per round   median, from the beginning of a round to that of the next; the first is left out
    at work       of these, seconds that clients were at work, training or evaluating, measured inside them, by the
                  number of processes: what is left if handing out work costs nothing and all have equal shares
    overhead      s per round less that, round by round; median
    MB            largest sum over all processes, pages that several share counted once, features and all

Both end at the same shared state after every round, up to the order in which floats are added up; this is checked.
Flower gets an environment of its own, made here with pip, or given by --flower; what it does not bring (torch) it
shares with fedsilo. It looks for answers every 10 ms instead of its 100. Ratios of one run count, not seconds: the load
of the machine is printed. Linux only (/proc).

    python benchmarks/flower.py [--flower PYTHON] [--clients 10 100] [--rounds 12] [--turns 2]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from scale import EVERY_S, MB, family, size_of
from timed_client import FOLDER, PACKAGES, TimedClient

import fedsilo
import fedsilo_actors.client_actor
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.config.sections import Scenario
from fedsilo.core.state import read_state, to_arrays
from fedsilo.runs.run import begin, go
from fedsilo.simulation.client import ClientRules
from fedsilo.simulation.noise_calibration import fit_mechanism
from fedsilo.simulation.preparation import prepare
from fedsilo.simulation.schedule import Schedule
from fedsilo.simulation.serial import SerialRuntime
from fedsilo.storage.run_folder import read_json
from fedsilo_actors.client_actor import ClientActor, WorkerInit
from fedsilo_actors.ray_backend import RayBackend
from fedsilo_actors.runtime import RayRuntime, ray_runtime

PROCESSES = min(2, os.cpu_count() or 1)
STORE_MB = 200
PULL_INTERVAL_S = 0.01
SAME = 1e-5
"""Largest difference of a coordinate of the shared state after a round, relative to the largest coordinate."""


@dataclass(frozen=True)
class Found:
    """What one framework took for some clients.

    Attributes:
        seconds: Of each round but the first.
        work: Of these, what clients were at work, by the number of processes.
        peak: MB of all processes.
        shared: The shared state after every round.
        versions: Of the software.
    """

    seconds: list[float]
    work: list[float]
    peak: float
    shared: list[NDArray[np.float32]]
    versions: str

    @property
    def overhead(self) -> float:
        return statistics.median(whole - work for whole, work in zip(self.seconds, self.work, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flower", metavar="PYTHON", help="a Python that has flwr[simulation]; else one is made")
    parser.add_argument("--clients", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.row is not None:
        ours(scenario(asked.row, asked.rounds))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("FEDSILO_CACHE", f"{folder}/cache")
        flower = asked.flower or environment(Path(folder) / "flower")
        for clients in asked.clients:
            for line in compared(clients, asked, flower, Path(folder) / str(clients)):
                print(line, flush=True)


def environment(folder: Path) -> str:
    """A Python that has Flower and its Ray."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin/pip", "install", "--quiet", "flwr[simulation]"], check=True)
    return str(folder / "bin/python")


def compared(clients: int, asked: argparse.Namespace, flower: str, folder: Path) -> Iterator[str]:
    """The two in turn, several times, so that the load of the machine is the same for both as far as can be."""
    folder.mkdir()
    world = pickle.dumps(world_of(scenario(clients, asked.rounds)))
    own = [sys.executable, __file__, "--rounds", str(asked.rounds), "--row", str(clients)]
    commands = {"Flower": [flower, "-c", "import flower_rounds; flower_rounds.main()"], "fedsilo": own}
    found: dict[str, list[Found]] = {name: [] for name in commands}
    load, apart = [loads()], 0.0
    for turn in range(asked.turns):
        for name, command in commands.items():
            place = folder / f"{name}{turn}"
            place.mkdir()
            (place / "world.pickle").write_bytes(world)
            found[name].append(run(command, place))
            load.append(loads())
        apart = max(apart, difference(*(turns[-1].shared for turns in found.values())))
    assert apart < SAME, f"the two learn differently: {apart}"
    yield f"{clients} clients, {PROCESSES} processes, {asked.rounds} rounds; load of the machine {', '.join(load)}"
    yield f"{'':<10}" + "".join(f"{title:>13}" for title in ("s per round", "at work", "overhead", "MB"))
    theirs, mine = (pooled(turns) for turns in found.values())
    for name, one in zip(found, (theirs, mine), strict=True):
        cells = (statistics.median(one.seconds), statistics.median(one.work), one.overhead)
        yield f"{name:<10}" + "".join(f"{cell:>13.4f}" for cell in cells) + f"{one.peak:>13.0f}   {one.versions}"
    ratios = (statistics.median(theirs.seconds) / statistics.median(mine.seconds), theirs.overhead / mine.overhead)
    yield f"{'ratio':<10}{ratios[0]:>13.2f}{'':>13}{ratios[1]:>13.1f}{theirs.peak / mine.peak:>13.2f}"
    yield f"shared state after each of {asked.rounds} rounds: the same to {apart:.0e} of its largest coordinate\n"


def pooled(turns: Sequence[Found]) -> Found:
    """The rounds of all turns together."""
    seconds, work = ([value for turn in turns for value in getattr(turn, name)] for name in ("seconds", "work"))
    return replace(turns[-1], seconds=seconds, work=work, peak=max(turn.peak for turn in turns))


def scenario(clients: int, rounds: int) -> Scenario:
    return from_mapping(
        {
            "name": "flower",
            "data": {"name": "emblems", "train_per_class_and_domain": 14, "test_per_class_and_domain": 8},
            "partition": {"clients": clients},
            "method": {"name": "promptfl", "context_length": 4},
            "training": {"rounds": rounds},
            "evaluation": {"neighbours": "never"},
            "actors": {"clients_per_actor": math.ceil(clients / PROCESSES), "object_store_mb": STORE_MB},
            "tracking": {"checkpoints": rounds},
        }
    )


def world_of(scenario: Scenario) -> dict[str, Any]:
    """What fedsilo gives its own actors, for those of Flower."""
    method, training = scenario.method, scenario.training
    prepared = prepare(scenario, [method], SerialRuntime("cpu"), lambda stage, done, total: None)
    schedule = Schedule(method, training, prepared.manifest.training_sizes, scenario.seed)
    return {
        "warehouse": prepared.warehouse,
        "claims": prepared.claims,
        "model": prepared.model.pack(),
        "rules": ClientRules(scenario.seed, training, scenario.evaluation.batch_size, scenario.task),
        "method": method,
        "mechanism": fit_mechanism(scenario.privacy, schedule),
        "initial": to_arrays(method.initial_shared(prepared.model, scenario.seed)),
        "rounds": training.rounds,
        "threads": scenario.actors.threads,
        "pull_interval": PULL_INTERVAL_S,
        "ray": {
            "address": "local",
            "num_cpus": PROCESSES,
            "object_store_memory": STORE_MB << 20,
            "include_dashboard": False,
        },
    }


def run(command: Sequence[str], folder: Path) -> Found:
    """Runs a framework's rounds in processes of their own; what it notes is in the folder."""
    here, packages = Path(__file__).parent, sysconfig.get_path("purelib")
    sources = [str(here), *(str(Path(module.__file__).parents[1]) for module in (fedsilo, fedsilo_actors))]
    named = {FOLDER: str(folder), PACKAGES: packages, "PYTHONPATH": os.pathsep.join(sources)}
    quiet = {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **named, **quiet}, stdout=log, stderr=log)
        with watched(process.pid) as peak:
            code = process.wait()
    if code:
        raise SystemExit(f"{command[0]}: ended with {code}:\n{(folder / 'log').read_text()[-3000:]}")
    notes, work = read_json(folder / "rounds.json"), worked(folder)
    seconds = [after - before for before, after in pairwise(notes["began"])]
    kept = range(1, len(seconds))
    with np.load(folder / "shared.npz") as arrays:
        shared = list(arrays.values())
    return Found(
        [seconds[n] for n in kept], [work[n] / PROCESSES for n in kept], peak[0] / MB, shared, notes["versions"]
    )


@contextmanager
def watched(number: int) -> Iterator[list[float]]:
    """Yields a list with the most bytes that a process and all below it have held so far."""
    peak, stopped = [0.0], threading.Event()

    def watch() -> None:
        while not stopped.wait(2 * EVERY_S):
            peak[0] = max(peak[0], sum(size_of(one, ("Pss",)) for one in family(number)))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield peak
    stopped.set()
    thread.join()


def worked(folder: Path) -> Mapping[int, float]:
    """Seconds that clients were at work, by round."""
    sums: dict[int, float] = {}
    for path in folder.glob("*.times"):
        for line in path.read_text().splitlines():
            round, seconds = line.split()
            sums[int(round)] = sums.get(int(round), 0.0) + float(seconds)
    return sums


def difference(these: Sequence[NDArray[np.float32]], those: Sequence[NDArray[np.float32]]) -> float:
    """The largest difference of a coordinate, by the largest coordinate of the round; all rounds must be there."""
    pairs = zip(these, those, strict=True)
    return max(float(np.abs(one - other).max() / np.abs(other).max()) for one, other in pairs)


def loads() -> str:
    return Path("/proc/loadavg").read_text().split()[0]


class Marked(RayBackend):
    """Notes when each round begins."""

    def train(self, tasks: Mapping[int, Any]) -> Any:
        with (Path(os.environ[FOLDER]) / "began").open("a") as file:
            file.write(f"{next(iter(tasks.values())).round} {time.perf_counter()}\n")
        return super().train(tasks)


class TimedHost(ClientActor):
    """The host as it is, with clients that note how long they are at work."""

    def supply(self, supplies: WorkerInit) -> None:
        fedsilo_actors.client_actor.Client = TimedClient  # type: ignore[misc]
        super().supply(supplies)


@contextmanager
def timed(scenario: Scenario) -> Iterator[RayRuntime]:
    """The runtime of a run, with actors that note what they do."""
    with ray_runtime(scenario.actors, scenario.backbone.device) as runtime:
        runtime.host, runtime.backend = TimedHost, Marked
        yield runtime


def ours(scenario: Scenario) -> None:
    """A whole run of fedsilo, from its scenario to its result."""
    folder = Path(os.environ[FOLDER])
    os.chdir(folder)
    done = go(begin(scenario), runtimes=timed).folder / "checkpoints"
    states = [read_json(path / "checkpoint.json")["shared"] for path in sorted(done.iterdir())]
    shared = [
        read_state(path / "shared.safetensors", sha) for path, sha in zip(sorted(done.iterdir()), states, strict=True)
    ]
    np.savez(folder / "shared.npz", *(state["context"].numpy() for state in shared))
    began = [float(line.split()[1]) for line in (folder / "began").read_text().splitlines()]
    versions = f"fedsilo {fedsilo.__version__}, Ray {ray.__version__}, torch {torch.__version__}"
    (folder / "rounds.json").write_text(json.dumps({"began": began, "versions": versions}))


if __name__ == "__main__":
    main()
