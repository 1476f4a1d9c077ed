"""Which examples come into which batch, and that what is charged is what was drawn."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fedsilo.core import FeatureSource, Indices, Mechanism, Method
from fedsilo.core.round_work import LocalWork
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.promptfl import PromptFL
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.privacy.mechanisms.none import NoMechanism

ROUNDS = PromptFL(context_length=3)
BATCHES = PromptFL(context_length=3, synchronise="batch")


@dataclass
class Noted:
    """Features that note which of them were asked for."""

    source: FeatureSource
    asked: list[Indices] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, indices: Indices, view: int) -> tuple[Tensor, Tensor | None]:
        self.asked.append(indices)
        return self.source.batch(indices, view)


def drawn(world: Any, method: Method, mechanism: Mechanism, **training: Any) -> Iterator[tuple[int, int, LocalWork]]:
    """Yields what clients train on, exchange by exchange as a federation does."""
    here = world(mechanism=mechanism, **training)
    schedule = here.plan(method).schedule
    works = [here.work(method, client) for client in range(len(here.train))]
    for round in range(schedule.rounds):
        for exchange, participants in schedule.turns_of(round):
            for client in participants:
                work = works[client]
                yield client, exchange, replace(work, features=Noted(work.features), round=round, exchange=exchange)


def batches(method: Method, work: LocalWork) -> list[Indices]:
    """The examples in each batch of an exchange."""
    if method.uploads_gradients:
        work.batch(work.exchange)
    else:
        for epoch in range(work.training.local_epochs):
            list(work.batches(epoch))
    return work.features.asked  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("training", "clients"),
    [({}, 3), ({"local_epochs": 3}, 2), ({"participation": 0.5, "rounds": 5}, 4), ({"batch_size": 30}, 3)],
)
@pytest.mark.parametrize("method", [ROUNDS, BATCHES])
@pytest.mark.parametrize("sampling", ["poisson", "shuffled"])
def test_what_examples_are_charged_is_how_often_they_were_drawn_from(
    world: Any, method: Method, sampling: str, training: dict[str, Any], clients: int
) -> None:
    mechanism = LocalNoise(unit="example", noise_multiplier=1.0, sampling=sampling)
    fitted = world(mechanism=mechanism, clients=clients, **training).fitted(method)
    charged, steps = Counter[int](), Counter[int]()
    entered = [np.zeros(20 + 7 * client, dtype=int) for client in range(clients)]
    for client, exchange, work in drawn(world, method, mechanism, clients=clients, **training):
        for expense in fitted.expenses(client, exchange):
            charged[client] += expense.count
            size = len(work.labels)
            assert expense.rate == (min(work.training.batch_size, size) / size if sampling == "poisson" else 1.0)
        for batch in batches(method, work):
            assert len(set(batch.tolist())) == len(batch), "an example is in a batch once"
            entered[client][batch] += 1
            steps[client] += 1
    for client in range(clients):
        if sampling == "poisson":
            assert charged[client] == steps[client]
        else:  # an example may miss a pass: a last smaller batch is left out
            assert entered[client].max() <= charged[client]
            assert charged[client] <= entered[client].max() + 1


@pytest.mark.parametrize("mechanism", [Central, LocalNoise, Distributed])
@pytest.mark.parametrize("method", [ROUNDS, BATCHES])
def test_a_client_is_charged_one_release_for_every_exchange(world: Any, mechanism: Any, method: Method) -> None:
    fitted = world(mechanism=mechanism(noise_multiplier=1.5)).fitted(method)
    for exchange in range(5):
        (expense,) = fitted.expenses(1, exchange)
        assert (expense.rate, expense.count) == (1.0, 1)
        assert expense.multiplier == pytest.approx(1.5)


def poisson(world: Any, method: Method = BATCHES, client: int = 2, steps: int = 2000, **changes: Any) -> np.ndarray:
    """(steps, examples): which of a client's examples are in which batch."""
    here = world(mechanism=LocalNoise(unit="example", noise_multiplier=1.0))
    work = here.work(method, client, **changes)
    found = np.zeros((steps, len(work.labels)), dtype=bool)
    for step in range(steps):
        noted = replace(work, features=Noted(work.features))
        noted.batch(step)
        found[step, noted.features.asked[0]] = True  # type: ignore[attr-defined]
    return found


def test_a_poisson_sample_has_each_example_at_the_rate_independently_of_all(world: Any) -> None:
    inside = poisson(world)
    steps, examples = inside.shape
    rate = 8 / 34
    error = np.sqrt(rate * (1 - rate) / steps)
    assert examples == 34
    assert np.abs(inside.mean(axis=0) - rate).max() < 4 * error
    sizes = inside.sum(axis=1)
    assert sizes.var() == pytest.approx(examples * rate * (1 - rate), rel=0.15)  # a binomial's: any size at all
    apart = np.corrcoef(inside.T.astype(float)) - np.eye(examples)
    assert np.abs(apart).max() < 5 / np.sqrt(steps)
    after = np.corrcoef(inside[:-1].ravel().astype(float), inside[1:].ravel().astype(float))[0, 1]
    assert abs(after) < 5 / np.sqrt(inside.size)


def test_a_poisson_sample_is_another_one_for_every_client_round_and_attempt_and_else_the_same(world: Any) -> None:
    first = poisson(world, steps=40)
    assert np.array_equal(first, poisson(world, steps=40))
    for changes in ({"round": 1}, {"attempt": 1}, {"client": 1}):
        client = changes.pop("client", 2)
        assert not np.array_equal(first[:, :20], poisson(world, client=client, steps=40, **changes)[:, :20])


def test_shuffled_batches_are_those_of_training_without_a_mechanism(world: Any) -> None:
    def asked(mechanism: Mechanism) -> list[list[int]]:
        work = world(mechanism=mechanism).work(BATCHES, client=1)
        noted = replace(work, features=Noted(work.features))
        for step in range(7):
            noted.batch(step)
        list(noted.batches(0))
        return [batch.tolist() for batch in noted.features.asked]  # type: ignore[attr-defined]

    plain = asked(NoMechanism())
    assert asked(Central(unit="example", noise_multiplier=1.0, sampling="shuffled")) == plain
    assert asked(Central(unit="client", noise_multiplier=1.0)) == plain
    assert asked(Central(unit="example", noise_multiplier=1.0)) != plain


@pytest.mark.parametrize("method", [DPFPL(context_length=3, rank=2), BATCHES])
def test_batches_of_one_round_repeat_no_draw(world: Any, method: Method) -> None:
    here = world(mechanism=LocalNoise(unit="example", noise_multiplier=1.0), local_epochs=2)
    work = here.work(method, client=2)
    seen = [tuple(work.batch(step).targets["class"].tolist()) for step in range(8)]
    assert len(set(seen)) > 6
    epochs = [tuple(batch.targets["class"].tolist()) for epoch in range(2) for batch in work.batches(epoch)]
    assert epochs == seen
    assert all(isinstance(labels, torch.Tensor) for labels in [work.labels])
