"""A learner of two numbers under a quadratic loss, and clients with a few numbers each: rounds that a hand can compute.

The loss of a number x is (w - x)^2 / 2 + (v - 2 x)^2 / 2, so that gradients are w - mean(x) and v - 2 mean(x). Clients
have one batch of all their numbers; `epochs` gives a client several steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from fedsilo.core import Learner, Mechanism, Strategy
from fedsilo.core.batch import IMAGE
from fedsilo.core.round_work import LocalWork, ServerWork
from fedsilo.core.training_settings import Optimizer, Training
from fedsilo.methods.composed import Composed

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Pair(Learner):
    """Two numbers, w and v, and a running mean of what was seen."""

    own: tuple[str, ...] = ()
    norm: tuple[str, ...] = ()
    counted: bool = False
    start: float = 1.0
    factors: Mapping[str, float] = field(default_factory=dict)

    @property
    def personal(self) -> tuple[str, ...]:
        return self.own

    @property
    def norms(self) -> tuple[str, ...]:
        return self.norm

    @property
    def statistics(self) -> tuple[str, ...]:
        return ("seen",) if self.counted else ()

    @property
    def rate_factors(self) -> Mapping[str, float]:
        return self.factors

    def names(self) -> tuple[str, ...]:
        return ("w", "v")

    def init(self, frozen: Any, seed: int, client: int) -> dict[str, Tensor]:
        return {"w": torch.tensor([self.start]), "v": torch.tensor([-self.start])}

    def buffers(self, frozen: Any, seed: int, client: int) -> dict[str, Tensor]:
        return {"seen": torch.zeros(1)} if self.counted else {}

    def scores(self, params: Any, buffers: Any, inputs: Any, frozen: Any, *, training: bool = False) -> Tensor:
        return params["w"] * inputs[IMAGE] + params["v"]

    def loss(self, params: Any, buffers: Any, batch: Any, frozen: Any, task: Any) -> Tensor:
        x = batch.inputs[IMAGE]
        if self.counted:
            buffers["seen"].mul_(0.5).add_(0.5 * x.mean())
        return ((params["w"] - x).square() + (params["v"] - 2 * x).square()).mean() / 2


@dataclass(frozen=True)
class Seen(Pair):
    """The pair, with a representation (w x, v x) of a number x."""

    def representation(self, params: Any, buffers: Any, inputs: Any, frozen: Any) -> Tensor:
        return torch.cat([params["w"] * inputs[IMAGE], params["v"] * inputs[IMAGE]], dim=1)


class Federation:
    """Clients with a few numbers each, trained round after round as the engine does; the mean is taken in Python.

    Args:
        strategy: What is tested.
        learner: The learner.
        data: The numbers of each client.
        batch_size: Numbers per step.
        training: Other keys of the section.
    """

    def __init__(
        self,
        strategy: Strategy,
        learner: Learner | None = None,
        data: Sequence[Sequence[float]] = ((2.0, 4.0), (6.0,)),
        batch_size: int = 8,
        **training: Any,
    ) -> None:
        self.method = Composed(learner or Pair(), strategy)
        assert not self.method.problems()
        self.data = data
        section = {"rounds": 4, "optimizer": Optimizer(learning_rate=0.1, momentum=0.0, weight_decay=0.0), **training}
        self.training = Training(batch_size=batch_size, **section)
        self.model: Any = SimpleNamespace(device="cpu", candidates=None)
        self.task: Any = SimpleNamespace(targets=lambda labels, among: {"class": labels})
        self.shared = dict(self.method.initial_shared(self.model, 0))
        self.private = [dict(self.method.initial_private(self.model, 0, c)) for c in range(len(data))]
        self.uploads: dict[int, dict[str, Tensor]] = {}
        self.round = 0

    def work(self, client: int, exchange: int = 0, exchanges: int = 1) -> LocalWork:
        numbers = torch.tensor(self.data[client]).unsqueeze(1)
        features: Any = SimpleNamespace(batch=lambda chosen, view: {IMAGE: numbers[torch.from_numpy(chosen)]})
        return LocalWork(
            model=self.model,
            task=self.task,
            features=features,
            labels=torch.zeros(len(numbers), dtype=torch.int64),
            shared=self.method.download(self.shared, client),
            private=self.private[client],
            training=self.training,
            mechanism=Mechanism(),
            seed=0,
            client=client,
            round=self.round,
            exchange=exchange,
            exchanges=exchanges,
        )

    def step(self, participants: Sequence[int] | None = None) -> dict[str, float]:
        """One round; returns the shared numbers after it."""
        clients = list(range(len(self.data))) if participants is None else list(participants)
        exchanges = self.method.exchanges(max(self.training.batches(len(self.data[c])) for c in clients))
        for exchange in range(exchanges):
            self._exchange(clients, exchange, exchanges)
        self.round += 1
        return numbers(self.shared)

    def _exchange(self, clients: list[int], exchange: int, exchanges: int) -> None:
        results = {c: self.method.train(self.work(c, exchange, exchanges)) for c in clients}
        self.uploads = {c: dict(result.upload) for c, result in results.items()}
        for c, result in results.items():
            assert tuple(sorted(result.upload)) == tuple(sorted(self.method.uploads))
            self.private[c] = dict(result.private)
        weights = {c: 1.0 if self.method.uniform else float(len(self.data[c])) for c in clients}
        total = sum(weights.values())
        mean = {
            name: torch.as_tensor(sum(weights[c] * self.uploads[c][name].double() for c in clients) / total).float()
            for name in self.method.uploads
        }
        work = ServerWork(
            shared=self.shared,
            mean=mean,
            updates=self.uploads if self.method.reads_updates else {},
            sizes=tuple(map(len, self.data)),
            training=self.training,
            round=self.round,
            exchange=exchange,
            exchanges=exchanges,
            participants=len(clients),
        )
        self.shared = dict(self.method.server_step(work))

    def adapted(self, client: int) -> dict[str, float]:
        """The numbers that a client is evaluated with, its private state kept."""
        self.private[client] = dict(self.method.adapt(self.work(client)))
        received = self.method.download(self.shared, client)
        served = numbers(self.method.strategy.serve(received, self.private[client], self.method.learner))
        return {name: number for name, number in served.items() if name in ("w", "v", "seen")}


def numbers(state: Mapping[str, Tensor]) -> dict[str, float]:
    """The tensors of one number as numbers."""
    return {name: float(tensor) for name, tensor in state.items() if tensor.numel() == 1}


@pytest.fixture
def federation() -> type[Federation]:
    """Returns `Federation`."""
    return Federation


@pytest.fixture
def pair() -> type[Pair]:
    """Returns `Pair`."""
    return Pair


@pytest.fixture
def seen() -> type[Seen]:
    """Returns `Seen`."""
    return Seen


@pytest.fixture
def close() -> Callable[[Numbers, Numbers], None]:
    """Returns a check of the expected numbers, by name, against found ones."""

    def check(found: Numbers, expected: Numbers) -> None:
        assert {name: found[name] for name in expected} == pytest.approx(dict(expected), rel=5e-6, abs=1e-6)

    return check


@pytest.fixture
def private() -> Callable[[Federation, int], dict[str, float]]:
    """Returns a look at the numbers in a client's private state."""
    return lambda run, client: numbers(run.private[client])
