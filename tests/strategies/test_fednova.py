"""FedNova against a hand: client 0 makes two steps an epoch on 2 and 4 (mean 3), client 1 one step on 6."""

from typing import Any

import pytest

from fedsilo.aggregation.modular import Modular
from fedsilo.core.training_settings import LearningRateSchedule, Optimizer
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.fednova import FedNovaStrategy

DATA = ((3.0, 3.0), (6.0,))


def client(x: float, target: float, rates: list[float], momentum: float) -> tuple[float, float]:
    """Where a client ends, and a_i: each gradient's weight in the change, over the scenario's rate of 0.1."""
    y, velocity, weight = x, 0.0, 0.0
    for step, rate in enumerate(rates):
        velocity = momentum * velocity + (y - target)
        y -= rate * velocity
        weight += rate / 0.1 * sum(momentum**k for k in range(step + 1))
    return y, weight


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_two_rounds_of_normalised_changes(federation: Any, close: Any, momentum: float) -> None:
    optimizer = Optimizer("sgd", 0.1, momentum, 0.0)
    run, w = federation(FedNovaStrategy(), data=DATA, batch_size=1, optimizer=optimizer), 1.0
    for _ in range(2):
        (y0, a0), (y1, a1) = client(w, 3, [0.1] * 2, momentum), client(w, 6, [0.1], momentum)
        found = run.step()
        sent = {"w": w + (y0 - w) / a0, "step_rates": 0.1 * (1 - momentum) * a0}
        close({n: float(t) for n, t in run.uploads[0].items()}, sent)
        w += (2 * a0 + a1) / 3 * (2 * (y0 - w) / a0 + (y1 - w) / a1) / 3
        close(found, {"w": w, "step_rates": 0.0})
    assert a0 == pytest.approx(2 + momentum)
    assert a1 == 1


def test_steps_are_weighed_by_a_schedule_s_rates(federation: Any, close: Any) -> None:
    schedule = LearningRateSchedule("exponential", by="step", gamma=0.25)
    run, w = federation(FedNovaStrategy(), data=DATA, batch_size=1, schedule=schedule), 1.0
    for round in range(2):
        rates = [0.1 * 0.25**round, 0.1 * 0.25 ** (round + 0.5)]
        (y0, a0), (y1, a1) = client(w, 3, rates, 0.0), client(w, 6, rates[:1], 0.0)
        w += (2 * a0 + a1) / 3 * (2 * (y0 - w) / a0 + (y1 - w) / a1) / 3
        close(run.step(), {"w": w})


@pytest.mark.parametrize("rate", [0.0, 1e-39, 1e-60])
def test_a_round_at_a_rate_of_0_or_hardly_more_changes_nothing(federation: Any, close: Any, rate: float) -> None:
    run = federation(FedNovaStrategy(), schedule=LearningRateSchedule(warmup=1, warmup_from=rate))
    close(run.step(), {"w": 1.0, "v": -1.0})
    close(run.step(), federation(FedAvgStrategy()).step())


def test_with_equally_many_steps_it_is_fedavg(federation: Any, pair: Any, close: Any) -> None:
    learner = pair(counted=True)
    run, plain = (federation(s, learner, local_epochs=2) for s in (FedNovaStrategy(), FedAvgStrategy()))
    for _ in range(2):
        expected = plain.step()
        close(run.step(), expected)
    other, plain = (federation(s, data=DATA, batch_size=1) for s in (FedNovaStrategy(), FedAvgStrategy()))
    assert other.step()["w"] != pytest.approx(plain.step()["w"], rel=1e-3)


def test_a_hundred_steps_with_momentum_stay_within_the_bound_of_a_secure_sum(federation: Any) -> None:
    """What is sent beside the parameters is at most the sum of the learning rates, not of gradients' weights."""
    run = federation(FedNovaStrategy(), local_epochs=100, optimizer=Optimizer("sgd", 0.01, 0.9, 0.0))
    run.step()
    changes = [abs(float(t - 1)) if n == "w" else abs(float(t)) for n, t in run.uploads[0].items()]
    assert 0.5 < float(run.uploads[0]["step_rates"]) <= 100 * 0.01
    assert max(changes) < Modular().bound


def test_gradients_of_batches_are_refused() -> None:
    (line,) = FedNovaStrategy(synchronise="batch").problems()
    assert "fedavg" in line
    assert FedNovaStrategy.needs_sgd
    assert not FedNovaStrategy.averages
