"""The actor around one or more clients: a serial backend over them that makes them from shared arrays.

One call carries the tasks of all its clients and returns all their answers, so an exchange needs as many messages as
there are actors.
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
from fedsilo_actors.devices import pick_device
from fedsilo_actors.monitoring.actor_reports import HostReporter
from fedsilo_actors.placement.packing import Host

PROTOCOL = "protocol"
"""Thread of an actor that answers messages of secure aggregation, beside the one that trains."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What an actor knows of itself.

    Attributes:
        host: Its clients, and the resources it was given for them.
        domain: Their domain; "" where they differ or are mixed.
        threads: Torch threads.
        device: The device to compute on, if it is given a GPU; see `devices.resolve_device`.
        run: The run's name.
        domains: The domain of each client; "" when mixed.
        log_level: Lowest level of its log lines.
        tf32: Whether a GPU may compute fp32 products in TF32.
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
        """The name that people read in the dashboard."""
        return self.host.title + (f" {self.domain}" if self.domain else "")


@dataclass(frozen=True, slots=True)
class WorkerInit:
    """What all clients share.

    Attributes:
        feature_store: Reference to the `FeatureStore` in the object store.
        indices: Reference to the `ClientIndices` of all clients, in client order, in the object store. They are not an
            argument of the actors: Ray cannot restart an actor whose arguments were too large to be sent along and are
            gone.
        model: Reference to the `PackedModel` in the object store.
        rules: What the scenario tells every client.
        folder: The run's folder, which every client must see; "" where no client reads it.
    """

    feature_store: Any
    indices: Any
    model: Any
    rules: ClientRules
    folder: str = ""


class ClientActor:
    """Clients in one Ray actor, which work one after the other; the starter gives the resources."""

    def __init__(self, place: WorkerContext) -> None:
        """Makes an actor without clients, so that an actor that Ray has restarted is not mistaken for the one before.

        Args:
            place: What the actor knows of itself.
        """
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
        """Makes the clients; feature store, indices and model are read from the node's object store without a copy.

        Args:
            supplies: What all clients share.

        Raises:
            ResourceError: The run's folder is not on this machine.
        """
        place = self._place
        if supplies.folder and not Path(supplies.folder).is_dir():
            raise ResourceError(
                f"tracking.root: on {platform.node()}, where {place.title} would compute, there is no "
                f"{supplies.folder}. Clients keep their private states there: name a folder that all machines share."
            )
        device = pick_device(place.device, place.host.demand.gpus)
        feature_store: FeatureStore
        indices: tuple[ClientIndices, ...]
        packed: PackedModel
        feature_store, indices, packed = ray.get([supplies.feature_store, supplies.indices, supplies.model])
        with self._within_memory("start"):
            self._make(feature_store, indices, packed, device, supplies.rules)

    def _make(
        self,
        feature_store: FeatureStore,
        indices: Sequence[ClientIndices],
        packed: PackedModel,
        device: str,
        rules: ClientRules,
    ) -> None:
        place = self._place
        portions = [feature_store.on(device).portion(indices[number]) for number in place.host.clients]
        model = packed.unpack(device)
        self._clients = SerialBackend([Client(portion, model, rules) for portion in portions])
        self._reporter.report_start(device, rules.task)

    @ray.method(concurrency_group=PROTOCOL)  # answers while clients train
    def is_supplied(self) -> bool:
        """Checks whether this actor has clients; an actor that Ray has restarted has none.

        Returns:
            Whether it has.
        """
        return self._clients is not None

    @ray.method
    def train(self, tasks: Mapping[int, ClientTask]) -> list[ClientUpdate]:
        """Trains clients for one exchange.

        Args:
            tasks: The tasks, by client of this actor.

        Returns:
            Their updates.
        """
        with self._within_memory("train"):
            updates = self._require_clients("train").train(tasks)
        self._reporter.report_training(tasks, updates)
        return updates

    @ray.method
    def evaluate(self, tasks: Mapping[int, EvaluationTask]) -> list[ClientScore]:
        """Evaluates clients' models on test images.

        Args:
            tasks: The tasks, by client of this actor.

        Returns:
            Their scores.
        """
        with self._within_memory("evaluate"):
            scores = self._require_clients("evaluate").evaluate(tasks)
        self._reporter.report_scores(tasks, scores)
        return scores

    @ray.method
    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        """Trains clients for one exchange; the updates stay here until they are masked.

        Args:
            tasks: The tasks, by client of this actor.
        """
        with self._within_memory("train"):
            self._require_clients("train").learn(tasks)
        self._reporter.report_masked_training(tasks)

    @ray.method(concurrency_group=PROTOCOL)
    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        """Answers messages of secure aggregation, while the clients train.

        Args:
            messages: The messages, by client of this actor.
            timeout_s: Longest wait, seconds.

        Returns:
            The answers, by client.
        """
        return self._require_clients("answer").answer(messages, timeout_s)

    @ray.method
    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        """Masks the updates of clients that have learnt.

        Args:
            clients: Numbers of clients of this actor.

        Returns:
            The masked updates, by client.
        """
        return self._require_clients("mask").masked(clients)

    @ray.method
    def set_method(self, method: Method, mechanism: Mechanism) -> None:
        """Sets the method and the mechanism, with the method's initial private states.

        Args:
            method: The method.
            mechanism: The fitted privacy mechanism.
        """
        self._require_clients("set_method").set_method(method, mechanism)
        self._reporter.report_method(method)

    @ray.method
    def save(self, folder: str) -> dict[int, str]:
        """Writes the private states.

        Args:
            folder: The folder they are written to.

        Returns:
            The hash of each state, by client.
        """
        return self._require_clients("save").save(Path(folder))

    @ray.method
    def restore(self, folder: str, hashes: Mapping[int, str]) -> None:
        """Reads private states back.

        Args:
            folder: The folder they were written to.
            hashes: The expected hash of each state, by client.
        """
        self._require_clients("restore").restore(Path(folder), hashes)

    @ray.method
    def reset(self, clients: Sequence[int]) -> None:
        """Gives clients the initial private state of their method.

        Args:
            clients: Numbers of clients of this actor.
        """
        self._require_clients("restart").reset(clients)

    @contextlib.contextmanager
    def _within_memory(self, stage: str) -> Iterator[None]:
        """Turns a GPU's out-of-memory error into ClientOutOfMemory, which a larger share of a GPU may solve."""
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

    def _require_clients(self, stage: str) -> SerialBackend:
        """The clients, unless Ray has restarted this actor by itself: their states are lost then."""
        if self._clients is None:
            host = self._place.host
            raise ClientLost(
                f"{host.title}, stage '{stage}': its process died and was started again.",
                host.clients[0],
                stage=stage,
            )
        return self._clients
