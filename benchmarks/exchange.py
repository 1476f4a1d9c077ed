"""Seconds per exchange with ten client actors that have nothing to train, against bare Ray calls of the same payload.

An exchange is: prompt down to ten actors, updates up, aggregated, recorded. The bare reference is an actor that sends
the same array to ten actors which return it, and waits for all. Both run in turn on one local Ray; the median of the
ratios is the result.

    python benchmarks/exchange.py
"""

from __future__ import annotations

import logging
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from fedsilo.aggregation.plain import Plain
from fedsilo.core import LocalResult, Method, Predictor, State
from fedsilo.core.batch import IMAGE, named
from fedsilo.core.round_work import LocalWork
from fedsilo.core.state import to_arrays
from fedsilo.core.training_settings import Training
from fedsilo.models.clip.cached_encoding import CachedFeatures
from fedsilo.models.clip.class_tokens import ClassTokens
from fedsilo.models.clip.text_tower import TextTower, TowerMeta
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.simulation.client import ClientRules
from fedsilo.simulation.feature_store import ClientIndices, FeatureStore
from fedsilo.simulation.federation_plan import FederationPlan
from fedsilo.simulation.job import Job, JobPart
from fedsilo.tasks.classification import Classification
from fedsilo_actors.client_actor import PROTOCOL, ClientActor, WorkerContext, WorkerInit
from fedsilo_actors.coordinator import Coordinator
from fedsilo_actors.placement.packing import pack
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.ray_backend import RayBackend

CLIENTS, EXCHANGES, REPETITIONS = 10, 300, 5
CONTEXT = (16, 512)


@dataclass(frozen=True)
class Idle(Method):
    """Sends back what it received."""

    uploads = ("context",)

    def initial_shared(self, model: FrozenModel, seed: int) -> State:
        return {"context": torch.zeros(CONTEXT)}

    def initial_private(self, model: FrozenModel, seed: int, client: int) -> State:
        return {}

    def exchanges(self, batches: int) -> int:
        return EXCHANGES

    def train(self, work: LocalWork) -> LocalResult:
        return LocalResult(upload={"context": work.shared["context"]}, private={}, loss=0.0, steps=0)

    def predictor(self, model: FrozenModel, shared: State, private: State) -> Predictor:
        return lambda inputs: inputs[IMAGE]


class BareClient:
    def echo(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        return array


class BareCoordinator:
    def __init__(self, clients: list[Any]) -> None:
        self._clients = clients

    def run(self) -> None:
        array = np.zeros(CONTEXT, dtype=np.float32)
        for _ in range(EXCHANGES):
            array = ray.get([client.echo.remote(array) for client in self._clients])[0]


class Ours:
    """Ten client actors, and a new coordinator for every repetition."""

    def __init__(self) -> None:
        tower = TextTower(TowerMeta(1, 1, 20, "gelu", 1e-5), {"positions": torch.zeros(20, 4)})
        model = FrozenModel(
            tower,
            ClassTokens(torch.zeros(2, 4), (1, 1), torch.zeros(4), (0, 0)),
            1.0,
            torch.zeros(2, 4),
            named(("a", "b")),
        )
        labels = np.zeros(CLIENTS, dtype=np.int64)
        features = CachedFeatures((0,), {IMAGE: np.ones((1, CLIENTS, 4), dtype=np.float32)})
        rules = ClientRules(0, Training(rounds=1), 100, Classification())
        method = Idle()
        warehouse = FeatureStore(features, features, labels)
        actor = ray.remote(num_cpus=0, concurrency_groups={PROTOCOL: 1})(ClientActor)
        own = [np.array([number]) for number in range(CLIENTS)]
        claims = [ClientIndices(n, own[n], own[n], labels[:1], labels[:1]) for n in range(CLIENTS)]
        self._supplies = WorkerInit(ray.put(warehouse), ray.put(claims), ray.put(model.pack()), rules)
        hosts = pack([Resources(0, 0)] * CLIENTS, [1] * CLIENTS, 1)
        actors = [actor.remote(WorkerContext(host, "", 1)) for host in hosts]
        self._backend = RayBackend(actors, hosts, self._supplies, 60.0, 60.0)
        self._backend.start()
        initial = to_arrays(method.initial_shared(model, 0))
        self._plan = FederationPlan(
            method, rules.task, rules.training, 1, NoMechanism(), Plain(), 0, (1,) * CLIENTS, initial
        )

    def coordinator(self, folder: Path) -> Any:
        """Returns a coordinator whose `run` is one round of EXCHANGES exchanges, recorded in the folder."""
        job = Job(folder, (JobPart("idle", folder, self._plan),), 1)
        coordinator = ray.remote(num_cpus=0)(Coordinator).remote(job, self._backend)
        ray.get(coordinator.progress.remote(0))
        return coordinator


def bare() -> Any:
    """Returns the reference coordinator."""
    clients = [ray.remote(num_cpus=0)(BareClient).remote() for _ in range(CLIENTS)]
    return ray.remote(num_cpus=0)(BareCoordinator).remote(clients)


def seconds(coordinator: Any) -> float:
    started = time.perf_counter()
    ray.get(coordinator.run.remote())
    return (time.perf_counter() - started) / EXCHANGES


def main() -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    settings = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init(num_cpus=2, object_store_memory=100 << 20, **settings)
    reference, world = bare(), Ours()
    seconds(reference)
    rows = []
    for _ in range(REPETITIONS):
        with tempfile.TemporaryDirectory() as folder:
            coordinator = world.coordinator(Path(folder))
            seconds_bare, seconds_ours = seconds(reference), seconds(coordinator)
            recorded = len((Path(folder) / "wire.jsonl").read_text().splitlines())
            assert recorded == 2 * EXCHANGES + 2, recorded
            rows.append((seconds_ours, seconds_bare, seconds_ours / seconds_bare))
            ray.kill(coordinator)
    ray.shutdown()
    print(f"{CLIENTS} client actors, {EXCHANGES} exchanges of {np.zeros(CONTEXT, np.float32).nbytes} bytes")
    for title, column in (("fedsilo, s per exchange", 0), ("bare Ray, s per exchange", 1), ("ratio", 2)):
        values = [row[column] for row in rows]
        print(f"{title:<26} median {statistics.median(values):.4f}   min {min(values):.4f}   max {max(values):.4f}")


if __name__ == "__main__":
    main()
