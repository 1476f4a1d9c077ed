"""A whole secure sum in one call, with clients that drop out where they are told to."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedsilo.aggregation.secagg import key_agreement as keys
from fedsilo.aggregation.secagg.parameters import Parameters, default_threshold
from fedsilo.aggregation.secagg.protocol_client import SecureClient
from fedsilo.aggregation.secagg.protocol_coordinator import SecureCoordinator, SecureSum
from fedsilo.aggregation.secagg.protocol_messages import Masked

STAGES = ("advertise", "share", "mask", "unmask")
Vectors = Mapping[int, NDArray[np.uint32]]


@dataclass
class Play:
    """One round, all of whose randomness comes from one seed, and whose messages all travel as bytes.

    Attributes:
        drops: The first stage that a client does not finish.
        seen: All that the coordinator got, in order.
        inbox: The last message for each client.
    """

    parameters: Parameters
    vectors: Vectors
    drops: Mapping[int, str] = field(default_factory=dict)
    context: bytes = b"run|0"
    seed: int = 0

    def __post_init__(self) -> None:
        self.coordinator = SecureCoordinator(self.parameters, self.context)
        self.seen: list[Any] = []
        self.inbox: dict[int, Any] = {}
        draws = {i: random.Random(f"{self.seed}|{i}").randbytes for i in self.parameters.clients}
        self.clients = {
            i: SecureClient(i, self.parameters, self.context, draw=draws[i]) for i in self.parameters.clients
        }

    def answer(self, number: int, stage: str) -> Any:
        client, message = self.clients[number], self.inbox.get(number)
        if stage == "advertise":
            return client.advertise()
        if stage == "share":
            return client.share(message)
        if stage == "mask":
            client.prepare(message)
            return client.mask(self.vectors[number].copy())
        return client.unmask(message)

    def send(self, message: Any) -> bool:
        self.seen.append(message)
        return self.coordinator.receive(type(message).from_bytes(message.to_bytes()))

    def collect(self, stage: str) -> None:
        """Lets all clients that are still in finish a stage."""
        for number in self.inbox or self.clients:
            if self.drops.get(number) != stage:
                self.send(self.answer(number, stage))

    def close(self) -> None:
        messages = self.coordinator.close()
        self.inbox = {number: type(sent).from_bytes(sent.to_bytes()) for number, sent in messages.items()}

    def until(self, stage: str) -> Play:
        """Runs all stages before this one."""
        for passed in STAGES[: STAGES.index(stage)]:
            self.collect(passed)
            self.close()
        return self

    def run(self) -> SecureSum:
        self.until("unmask")
        self.collect("unmask")
        self.close()
        return self.coordinator.result()

    def view(self) -> dict[int, NDArray[np.uint32]]:
        """The masked vectors, by sender, as the coordinator got them."""
        return {message.sender: message.vector for message in self.seen if isinstance(message, Masked)}


def plain_sum(vectors: Vectors, clients: tuple[int, ...], dim: int) -> NDArray[np.uint32]:
    exact = sum((vectors[i].astype(object) for i in clients), np.zeros(dim, dtype=object))
    return np.array([value % 2**32 for value in exact], dtype=np.uint32)


@pytest.fixture(autouse=True)
def _fresh_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded rounds draw the keys of another test again."""
    monkeypatch.setattr(keys, "_used", set())


@pytest.fixture
def exact() -> Callable[..., NDArray[np.uint32]]:
    """The sum modulo 2**32 in Python's integers."""
    return plain_sum


@pytest.fixture
def play() -> Callable[..., Play]:
    """Makes a round: of n clients with random vectors, or of given parameters and vectors."""

    def make(n: int = 5, dim: int = 3, threshold: int = 0, colluding: int = 0, seed: int = 0, **more: Any) -> Play:
        chosen = more.pop("parameters", None) or Parameters(
            tuple(range(n)), threshold or default_threshold(n, colluding), dim, colluding
        )
        draw = np.random.default_rng(seed)
        vectors = more.pop("vectors", None) or {
            i: draw.integers(0, 2**32, chosen.dim, dtype=np.uint32) for i in chosen.clients
        }
        return Play(chosen, vectors, seed=seed, **more)

    return make
