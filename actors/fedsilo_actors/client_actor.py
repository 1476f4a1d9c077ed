"""The actor around one or more clients: a serial backend over them that makes them from shared arrays.

One call carries the tasks of all its clients and brings all their answers, so that an exchange takes as many messages
as there are actors.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch

from fedsilo.core import ClientScore, ClientTask, ClientUpdate, EvaluationTask, Mechanism, Method
from fedsilo.core.errors import ClientError, ClientLost, ClientOutOfMemory, ResourceError
from fedsilo.models.clip.precision import set_tf32
from fedsilo.models.prompts.frozen_model import PackedModel
from fedsilo.simulation.client import Client, ClientRules
from fedsilo.simulation.feature_store import ClientIndices, FeatureStore
from fedsilo.simulation.serial import SerialBackend
from fedsilo_actors.devices import granted
from fedsilo_actors.monitoring.actor_reports import HostReporter
from fedsilo_actors.placement.packing import Host

PROTOCOL = "protocol"
"""Thread of an actor that answers messages of secure aggregation, beside the one that trains."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Who an actor is.

    Attributes:
        host: Its clients, and what it was given for them.
        domain: Their domain, "" where they differ or are mixed.
        threads: Torch threads.
        device: Where it is to compute, if it is given a GPU; see `devices.wanted`.
        run: The run's name.
        domains: The domain of each client, "" when mixed.
        log_level: Least level of its log lines.
        tf32: Whether a GPU may take fp32 products in TF32.
    """

    host: Host
    domain: str
    threads: int
    device: str = "cpu"
    run: str = ""
    domains: tuple[str, ...] = ()
    log_level: str = "warning"
    tf32: bool = False

    @property
    def title(self) -> str:
        """Returns the name people read in the dashboard."""
        return self.host.title + (f" {self.domain}" if self.domain else "")


@dataclass(frozen=True, slots=True)
class WorkerInit:
    """What all clients share.

    Attributes:
        warehouse: Reference of the `FeatureStore` in the object store.
        claims: Reference of the `ClientIndices` of all clients, in client order, in the object store. Not an argument
            of the actors: Ray cannot start an actor again whose arguments were too large to be sent along and are gone.
        model: Reference of the `PackedModel` in the object store.
        rules: What the scenario says to every client.
        folder: The run's folder, which every client must see; "" where nobody looks.
    """

    warehouse: Any
    claims: Any
    model: Any
    rules: ClientRules
    folder: str = ""


class ClientActor:
    """Data owners as a Ray actor, one after the other at work; resources are given where it is started."""

    def __init__(self, place: WorkerContext) -> None:
        """Makes an actor without clients: an actor that Ray starts again must not pass for the one before."""
        torch.set_num_threads(place.threads)
        set_tf32(place.tf32)
        self._place = place
        self._clients: SerialBackend | None = None
        domains = dict(zip(place.host.clients, place.domains, strict=False))
        self._reporter = HostReporter(place.run, place.title, domains, place.log_level)

    def __repr__(self) -> str:
        """Returns the name in logs and the dashboard."""
        return self._place.title

    @ray.method
    def supply(self, supplies: WorkerInit) -> None:
        """Makes the clients; warehouse, claims and model are read from the node's object store without a copy.

        Raises:
            ResourceError: The run's folder is not on this machine.
        """
        place = self._place
        if supplies.folder and not Path(supplies.folder).is_dir():
            raise ResourceError(
                f"tracking.root: on {platform.node()}, where {place.title} would compute, there is no "
                f"{supplies.folder}. Clients keep their private states there: name a folder that all machines share."
            )
        device = granted(place.device, place.host.demand.gpus)
        warehouse: FeatureStore
        claims: tuple[ClientIndices, ...]
        packed: PackedModel
        warehouse, claims, packed = ray.get([supplies.warehouse, supplies.claims, supplies.model])
        with self._within_memory("start"):
            self._make(warehouse, claims, packed, device, supplies.rules)

    def _make(
        self,
        warehouse: FeatureStore,
        claims: Sequence[ClientIndices],
        packed: PackedModel,
        device: str,
        rules: ClientRules,
    ) -> None:
        place = self._place
        portions = [warehouse.on(device).portion(claims[number]) for number in place.host.clients]
        model = packed.unpack(device)
        self._clients = SerialBackend([Client(portion, model, rules) for portion in portions])
        self._reporter.supplied(device, rules.task)

    @ray.method(concurrency_group=PROTOCOL)  # answers while it trains
    def is_supplied(self) -> bool:
        """Returns whether there are clients in this actor: not in one that Ray has started again."""
        return self._clients is not None

    @ray.method
    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        """Returns these clients' updates for one exchange."""
        with self._within_memory("train"):
            updates = self._known("train").train(tasks)
        self._reporter.trained(tasks, updates)
        return updates

    @ray.method
    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Returns how their models do on test images."""
        with self._within_memory("evaluate"):
            scores = self._known("evaluate").evaluate(tasks)
        self._reporter.scored(tasks, scores)
        return scores

    @ray.method
    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        """Trains for one exchange; the updates stay here until they are masked."""
        with self._within_memory("train"):
            self._known("train").learn(tasks)
        self._reporter.learnt(tasks)

    @ray.method(concurrency_group=PROTOCOL)
    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        """Returns the answers to messages of secure aggregation, while the clients train."""
        return self._known("answer").answer(messages, timeout_s)

    @ray.method
    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        """Returns the updates that were learnt, masked."""
        return self._known("mask").masked(clients)

    @ray.method
    def set_method(self, method: Method, mechanism: Mechanism) -> None:
        """Takes up a method with its initial private states, under a mechanism."""
        self._known("set_method").set_method(method, mechanism)
        self._reporter.entered(method)

    @ray.method
    def save(self, folder: str) -> dict[int, str]:
        """Writes the private states; returns their hashes by client."""
        return self._known("save").save(Path(folder))

    @ray.method
    def restore(self, folder: str, hashes: Mapping[int, str]) -> None:
        """Reads private states back."""
        self._known("restore").restore(Path(folder), hashes)

    @ray.method
    def reset(self, clients: Sequence[int]) -> None:
        """Gives these clients the initial private state of their method."""
        self._known("restart").reset(clients)

    @contextlib.contextmanager
    def _within_memory(self, stage: str) -> Iterator[None]:
        """Says of a GPU that is full what it is: a larger share helps."""
        try:
            yield
        except (torch.OutOfMemoryError, ClientError) as error:
            full = error.__cause__ if isinstance(error, ClientError) else error
            if not isinstance(full, torch.OutOfMemoryError):
                raise
            host = self._place.host
            why = str(full).partition(". ")[0].rstrip(".")
            text = f"{host.title}, stage '{stage}': {host.demand.gpus:g} GPU was too little ({why})"
            raise ClientOutOfMemory(text, host.clients[0], stage=stage) from None

    def _known(self, stage: str) -> SerialBackend:
        """The clients, unless Ray has started this actor again behind the coordinator's back: their states are gone."""
        if self._clients is None:
            host = self._place.host
            raise ClientLost(
                f"{host.title}, stage '{stage}': its process died and was started again.",
                host.clients[0],
                stage=stage,
            )
        return self._clients
