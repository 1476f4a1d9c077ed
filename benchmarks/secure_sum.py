"""Seconds per secure sum, for one client and for the coordinator, against a plain sum and against Flower's SecAgg+.

A round is whole: vectors of float64 are encoded, masked, added, opened and decoded; a tenth of the clients send their
shares and no vector, which is what costs the coordinator most. Times are those of the calls alone, without network and
without training, one after the other in one process. Flower runs the same steps on the same vectors, graph and
thresholds by its own functions (`flower_secagg.py`) in a Python of its own, in turn with ours; the ratio is Flower's
seconds over ours. The plain sum is numpy's, of float64 as without protection and of unsigned 32-bit residues.

    python benchmarks/secure_sum.py
    python -m venv flower && flower/bin/pip install flwr
    python benchmarks/secure_sum.py --flower flower/bin/python
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedsilo.aggregation.secagg.graph import neighbours_needed
from fedsilo.aggregation.secagg.modular_vectors import RingCodec
from fedsilo.aggregation.secagg.parameters import Parameters, default_threshold
from fedsilo.aggregation.secagg.protocol_client import SecureClient
from fedsilo.aggregation.secagg.protocol_coordinator import SecureCoordinator

CLIENTS, DIMS, REPETITIONS = (10, 50, 100), (8_192, 1_000_000), 3
CORRUPT, DROPOUT = 0.05, 0.1  # what sparse graphs are sized for
FEWEST_FOR_SPARSE = 50
MEASURED = 4  # clients of Flower that are measured where there are more than ten: its rounds take minutes


@dataclass(frozen=True)
class Timing:
    """Seconds: medians over clients, and the whole of the coordinator.

    Attributes:
        share: Of a client: keys drawn, secrets shared and sealed.
        mask: Of a client: shares opened, vector encoded and masked.
        unmask: Of a client: shares handed over.
        coordinator: All that the coordinator does.
        error: Largest difference of a coordinate from the plain sum.
    """

    share: float
    mask: float
    unmask: float
    coordinator: float
    error: float

    @property
    def client(self) -> float:
        return self.share + self.mask + self.unmask


def vector_of(client: int, dim: int) -> NDArray[np.float64]:
    return np.random.default_rng(client).uniform(-1, 1, dim)


def cases(clients: list[int], dims: list[int]) -> list[Parameters]:
    found = []
    for dim, n in itertools.product(dims, clients):
        everybody, threshold = tuple(range(n)), default_threshold(n)
        found.append(Parameters(everybody, threshold, dim))
        if n >= FEWEST_FOR_SPARSE:
            size = neighbours_needed(n, CORRUPT, DROPOUT)
            even = size.neighbours + size.neighbours % 2  # Flower's graphs are even
            found.append(Parameters(everybody, threshold, dim, int(CORRUPT * n), "neighbours", even, size.quorum))
    return found


class Stopwatch:
    """Seconds of the calls made through it."""

    def __init__(self) -> None:
        self.seconds: dict[Any, float] = {}

    def time(self, key: Any, call: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        result = call(*arguments)
        self.seconds[key] = self.seconds.get(key, 0.0) + time.perf_counter() - started
        return result

    def median(self, stage: str) -> float:
        return statistics.median(seconds for key, seconds in self.seconds.items() if key[0] == stage)


def ours(parameters: Parameters, attempt: int) -> Timing:
    """One round; the last tenth of the clients drops out before the vectors."""
    watch, n, codec = Stopwatch(), len(parameters.clients), RingCodec(len(parameters.clients), 1.0)
    context = b"benchmark|%d" % attempt
    coordinator = SecureCoordinator(parameters, context)
    clients = {i: SecureClient(i, parameters, context) for i in parameters.clients}

    def receive(message: Any) -> None:
        watch.time("coordinator", coordinator.receive, message)

    for i, client in clients.items():
        receive(watch.time(("share", i), client.advertise))
    for i, message in watch.time("coordinator", coordinator.close).items():
        receive(watch.time(("share", i), clients[i].share, message))
    for i, message in watch.time("coordinator", coordinator.close).items():
        if i < n - n // 10:
            vector = vector_of(i, parameters.dim)
            watch.time(("mask", i), clients[i].prepare, message)
            encoded = watch.time(("mask", i), codec.encode, vector)
            receive(watch.time(("mask", i), clients[i].mask, encoded))
    for i, message in watch.time("coordinator", coordinator.close).items():
        receive(watch.time(("unmask", i), clients[i].unmask, message))
    watch.time("coordinator", coordinator.close)
    result = watch.time("coordinator", coordinator.result)
    total = watch.time("coordinator", codec.decode, result.total)
    plain = sum(vector_of(i, parameters.dim) for i in result.survivors)
    return Timing(
        *(watch.median(stage) for stage in ("share", "mask", "unmask")),
        watch.seconds["coordinator"],
        float(np.max(np.abs(total - plain))),
    )


def flower(parameters: Parameters, python: str) -> Timing:
    n = len(parameters.clients)
    options = {
        "clients": n,
        "dim": parameters.dim,
        "shares": parameters.neighbours + 1 if parameters.neighbours else n,
        "threshold": parameters.shares,
        "dropped": n // 10,
        "measured": n if n <= 10 else MEASURED,
    }
    script = Path(__file__).with_name("flower_secagg.py")
    command = [python, str(script), *(f"--{name}={value}" for name, value in options.items())]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return Timing(**json.loads(run.stdout.splitlines()[-1]))


def plain(n: int, dim: int, dtype: Any) -> float:
    """Seconds of adding n vectors up."""
    vector, total, spent = vector_of(0, dim).astype(dtype), np.zeros(dim, dtype=dtype), []
    for _ in range(11):
        started = time.perf_counter()
        for _ in range(n):
            total += vector
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)


def median(timings: list[Timing]) -> Timing:
    return Timing(*(statistics.median(getattr(timing, field.name) for timing in timings) for field in fields(Timing)))


def show(title: str, timing: Timing) -> None:
    columns = (timing.share, timing.mask, timing.unmask, timing.client, timing.coordinator)
    error = "not checked" if np.isnan(timing.error) else f"{timing.error:.0e}"
    print(f"    {title:<18}" + "".join(f"{1e3 * seconds:>12.2f}" for seconds in columns) + f"{error:>14}")


def compare(parameters: Parameters, python: str | None, repetitions: int) -> None:
    n, dim = len(parameters.clients), parameters.dim
    graph = f"{parameters.neighbours} neighbours" if parameters.neighbours else "complete graph"
    print(f"{n} clients, {dim} coordinates, {graph}, {parameters.shares} shares open a secret, {n // 10} drop out")
    own, other = [], []
    for attempt in range(repetitions):
        own.append(ours(parameters, attempt))
        if python and (attempt == 0 or n <= 10):
            other.append(flower(parameters, python))
    timing = median(own)
    show("fedsilo", timing)
    if other:
        theirs = median(other)
        show("Flower", theirs)
        print(
            f"    Flower / fedsilo: client {theirs.client / timing.client:.1f}, "
            f"coordinator {theirs.coordinator / timing.coordinator:.1f}"
        )
    floats, residues = plain(n, dim, np.float64), plain(n, dim, np.uint32)
    print(
        f"    plain sum: {1e3 * floats:.2f} ms of float64, {1e3 * residues:.2f} ms of residues; "
        f"coordinator / plain float64 sum: {timing.coordinator / floats:.1f}"
    )


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--flower", metavar="PYTHON", help="a Python that has flwr, to compare with it")
    reader.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    reader.add_argument("--dims", type=int, nargs="+", default=DIMS)
    reader.add_argument("--repetitions", type=int, default=REPETITIONS)
    options = reader.parse_args()
    print("Milliseconds; for a client the medians over clients, for the coordinator the whole round.")
    if options.flower:
        print(f"Flower with more than ten clients: {MEASURED} of them measured, the coordinator's time scaled to all.")
    else:
        print(
            "Without Flower. For it: python -m venv flower && flower/bin/pip install flwr, --flower flower/bin/python"
        )
    heads = ("share", "mask", "unmask", "client", "coordinator")
    print(" " * 22 + "".join(f"{head:>12}" for head in heads) + f"{'error of sum':>14}")
    for parameters in cases(options.clients, options.dims):
        compare(parameters, options.flower, options.repetitions)


if __name__ == "__main__":
    main()
