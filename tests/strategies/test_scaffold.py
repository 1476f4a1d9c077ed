"""SCAFFOLD against a hand: algorithm 1 with option II, also with momentum and a schedule."""

from typing import Any

import pytest

from fedsilo.core.training_settings import LearningRateSchedule, Optimizer
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.scaffold import ScaffoldStrategy


class Oracle:
    """The algorithm for w alone, with two local steps on targets 3 and 6."""

    def __init__(self, server_rate: float = 1.0, momentum: float = 0.0, clients: int = 2) -> None:
        self.x, self.c, self.own = 1.0, 0.0, [0.0] * clients
        self.server_rate, self.momentum, self.clients = server_rate, momentum, clients

    def step(self, participants: tuple[int, ...] = (0, 1), rate: float = 0.1) -> None:
        moved, controls = [], []
        for i in participants:
            y, velocity, weights = self.x, 0.0, 0.0
            for left in (2, 1):
                velocity = self.momentum * velocity + (y - (3, 6)[i]) + self.c - self.own[i]
                y -= rate * velocity
                weights += sum(self.momentum**k for k in range(left))
            new = self.own[i] - self.c + (self.x - y) / (rate * weights)
            moved.append(y - self.x)
            controls.append(new - self.own[i])
            self.own[i] = new
        self.x += self.server_rate * sum(moved) / len(moved)
        self.c += len(participants) / self.clients * sum(controls) / len(controls)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_three_rounds_with_one_in_which_a_client_rests(
    federation: Any, close: Any, private: Any, momentum: float
) -> None:
    optimizer = Optimizer("sgd", 0.1, momentum, 0.0)
    run = federation(ScaffoldStrategy(server_rate=0.8), local_epochs=2, optimizer=optimizer)
    oracle = Oracle(0.8, momentum)
    for participants in ((0, 1), (1,), (0, 1)):
        oracle.step(participants)
        close(run.step(participants), {"w": oracle.x, "control/w": 0.1 * oracle.c})
        for client in (0, 1):
            close(private(run, client), {"own_control/w": 0.1 * oracle.own[client]})
    assert set(run.uploads[0]) == {"w", "v", "control/w", "control/v"}
    assert run.method.uniform


def test_a_schedule_s_rates_are_those_that_a_control_variate_is_made_of(federation: Any, close: Any) -> None:
    run, oracle = (
        federation(ScaffoldStrategy(), local_epochs=2, schedule=LearningRateSchedule("exponential", gamma=0.5)),
        Oracle(),
    )
    for round in range(3):
        oracle.step(rate=0.1 * 0.5**round)
        close(run.step(), {"w": oracle.x, "control/w": 0.1 * oracle.c})


@pytest.mark.parametrize("rate", [0.0, 1e-39, 1e-60])
def test_a_round_at_a_rate_of_0_or_hardly_more_changes_nothing(federation: Any, close: Any, rate: float) -> None:
    schedule = LearningRateSchedule(warmup=1, warmup_from=rate)
    run, oracle = federation(ScaffoldStrategy(), local_epochs=2, schedule=schedule), Oracle()
    close(run.step(), {"w": 1.0, "control/w": 0.0})
    for _ in range(2):
        oracle.step()
        close(run.step(), {"w": oracle.x, "control/w": 0.1 * oracle.c})


def test_a_learner_s_factor_of_the_rate_is_reckoned_with(federation: Any, pair: Any, close: Any) -> None:
    """With one step a control variate is the gradient, whatever the rate of the parameter is."""
    run = federation(ScaffoldStrategy(), pair(factors={"v": 5.0}))
    run.step()
    close(
        {n: float(t) for n, t in run.private[0].items()},
        {"own_control/w": 0.1 * (1 - 3), "own_control/v": 0.1 * (-1 - 6)},
    )


def test_the_first_round_with_zero_controls_is_fedavg_with_clients_that_count_alike(
    federation: Any, pair: Any, close: Any
) -> None:
    learner = pair(counted=True)
    first = federation(ScaffoldStrategy(), learner, local_epochs=2).step()
    close(first, federation(FedAvgStrategy(count_alike=True), learner, local_epochs=2).step())


@pytest.mark.parametrize("rate", [0.1, 0.001])
def test_control_variates_have_the_size_of_a_step(federation: Any, close: Any, rate: float) -> None:
    """So gradients of 2000 pass a secure sum, and a joint clip does not see control variates only."""
    run = federation(ScaffoldStrategy(), data=((2001.0,), (2001.0,)), optimizer=Optimizer("sgd", rate, 0.0, 0.0))
    run.step()
    sent = run.uploads[0]
    close({n: float(t) for n, t in sent.items()}, {"control/w": -2000 * rate, "w": 1 + 2000 * rate})


def test_gradients_of_batches_are_refused() -> None:
    (line,) = ScaffoldStrategy(synchronise="batch").problems()
    assert "fedavg" in line
    assert ScaffoldStrategy.needs_sgd
    assert not ScaffoldStrategy.averages
