"""The actor around one client: it makes the client from shared arrays and passes calls on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from fedsilo.client import Client, ClientRules
from fedsilo.contracts import ClientScore, ClientTask, ClientUpdate, Indices, Method
from fedsilo.prompts.frozen import PackedModel
from fedsilo.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class Place:
    """Who a client actor is.

    Attributes:
        client: The client's number.
        domain: Its domain, "" when mixed.
        train: Positions of its training images.
        test: Positions of its test images.
        threads: Torch threads.
    """

    client: int
    domain: str
    train: Indices
    test: Indices
    threads: int

    @property
    def title(self) -> str:
        """Returns the name people read in the dashboard."""
        return f"client {self.client:02d}" + (f" {self.domain}" if self.domain else "")


class ClientActor:
    """One data owner as a Ray actor; resources are given where it is started."""

    def __init__(
        self, place: Place, warehouse: Warehouse, model: PackedModel, rules: ClientRules, method: Method
    ) -> None:
        """Makes the client; warehouse and model are read from the node's object store without a copy."""
        torch.set_num_threads(place.threads)
        self._place = place
        data = warehouse.portion(place.client, place.train, place.test)
        self._client = Client(data, model.unpack(), rules, method)

    def __repr__(self) -> str:
        """Returns the name in logs and the dashboard."""
        return self._place.title

    @ray.method
    def where(self) -> tuple[str, tuple[str, ...]]:
        """Returns the node and the GPUs this actor was given; answers once the client is ready."""
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return ray.get_runtime_context().get_node_id(), tuple(gpu for gpu in gpus.split(",") if gpu)

    @ray.method
    def train(self, task: ClientTask) -> ClientUpdate:
        """Returns the client's update for one exchange."""
        return self._client.train(task)

    @ray.method
    def evaluate(self, shared: Mapping[str, NDArray[np.float32]]) -> ClientScore:
        """Returns how its model does on test images."""
        return self._client.evaluate(shared)

    @ray.method
    def enter(self, method: Method) -> None:
        """Takes up a method with its initial private state."""
        self._client.enter(method)

    @ray.method
    def save(self, folder: str) -> str:
        """Writes the private state; returns its hash."""
        return self._client.save(Path(folder))

    @ray.method
    def restore(self, folder: str, expected: str) -> None:
        """Reads the private state back."""
        self._client.restore(Path(folder), expected)
