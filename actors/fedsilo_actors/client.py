"""The actor around one client: it makes the client from shared arrays and passes calls on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch

from fedsilo.client import Client, ClientRules
from fedsilo.contracts import ClientScore, ClientTask, ClientUpdate, EvaluationTask, Mechanism, Method
from fedsilo.errors import ClientLost
from fedsilo.prompts.frozen import PackedModel
from fedsilo.warehouse import Claim, Warehouse
from fedsilo_actors.devices import granted

PROTOCOL = "protocol"
"""Thread of an actor that answers messages of secure aggregation, beside the one that trains."""


@dataclass(frozen=True, slots=True)
class Place:
    """Who a client actor is.

    Attributes:
        claim: What it holds of the warehouse.
        domain: Its domain, "" when mixed.
        threads: Torch threads.
        gpus: The share of a GPU that it is given.
        device: Where it is to compute, if it is given a GPU; see `devices.wanted`.
    """

    claim: Claim
    domain: str
    threads: int
    gpus: float = 0.0
    device: str = "cpu"

    @property
    def client(self) -> int:
        """Returns the client's number."""
        return self.claim.client

    @property
    def title(self) -> str:
        """Returns the name people read in the dashboard."""
        return f"client {self.client:02d}" + (f" {self.domain}" if self.domain else "")


@dataclass(frozen=True, slots=True)
class Supplies:
    """What all client actors share.

    Attributes:
        warehouse: Reference of the `Warehouse` in the object store.
        model: Reference of the `PackedModel` in the object store.
        rules: What the scenario says to every client.
    """

    warehouse: Any
    model: Any
    rules: ClientRules


class ClientActor:
    """One data owner as a Ray actor; resources are given where it is started."""

    def __init__(self, place: Place) -> None:
        """Makes an actor without a client: an actor that Ray starts again must not pass for the one before."""
        torch.set_num_threads(place.threads)
        self._place = place
        self._client: Client | None = None

    def __repr__(self) -> str:
        """Returns the name in logs and the dashboard."""
        return self._place.title

    @ray.method
    def supply(self, supplies: Supplies) -> None:
        """Makes the client; warehouse and model are read from the node's object store without a copy."""
        place = self._place
        device = granted(place.device, place.gpus)
        warehouse: Warehouse
        model: PackedModel
        warehouse, model = ray.get([supplies.warehouse, supplies.model])
        data = warehouse.on(device).portion(place.claim)
        self._client = Client(data, model.unpack(device), supplies.rules)

    @ray.method(concurrency_group=PROTOCOL)  # answers while it trains
    def is_supplied(self) -> bool:
        """Returns whether there is a client in this actor: not in one that Ray has started again."""
        return self._client is not None

    @ray.method
    def train(self, task: ClientTask) -> ClientUpdate:
        """Returns the client's update for one exchange."""
        return self._known("train").train(task)

    @ray.method
    def evaluate(self, task: EvaluationTask) -> ClientScore:
        """Returns how its model does on test images."""
        return self._known("evaluate").evaluate(task)

    @ray.method
    def learn(self, task: ClientTask) -> None:
        """Trains for one exchange; the update stays here until it is masked."""
        self._known("train").learn(task)

    @ray.method(concurrency_group=PROTOCOL)
    def answer(self, message: bytes) -> bytes:
        """Returns the answer to a message of secure aggregation, while the client trains."""
        return self._known("answer").answer(message)

    @ray.method
    def masked(self) -> bytes:
        """Returns the update that was learnt, masked."""
        return self._known("mask").masked()

    @ray.method
    def enter(self, method: Method, mechanism: Mechanism) -> None:
        """Takes up a method with its initial private state, under a mechanism."""
        self._known("enter").enter(method, mechanism)

    @ray.method
    def save(self, folder: str) -> str:
        """Writes the private state; returns its hash."""
        return self._known("save").save(Path(folder))

    @ray.method
    def restore(self, folder: str, expected: str) -> None:
        """Reads the private state back."""
        self._known("restore").restore(Path(folder), expected)

    def _known(self, stage: str) -> Client:
        """The client, unless Ray has started this actor again behind the coordinator's back: its state is gone."""
        if self._client is None:
            number = self._place.client
            raise ClientLost(
                f"client {number}, stage '{stage}': its process died and was started again.", number, stage=stage
            )
        return self._client
