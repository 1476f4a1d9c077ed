"""Ditto against a hand: w is FedAvg's, each client's own one is pulled to w as received."""

from typing import Any

from fedsilo.core.training_settings import Optimizer
from fedsilo.strategies.ditto import DittoStrategy
from fedsilo.strategies.fedavg import FedAvgStrategy


def test_two_rounds_beside_fedavg(federation: Any, close: Any) -> None:
    run, plain = federation(DittoStrategy(attraction=0.5, personal_epochs=2)), federation(FedAvgStrategy())
    own, received = [1.0, 1.0], 1.0
    for _ in range(2):
        found = run.step()
        assert found == plain.step()
        for client, target in ((0, 3), (1, 6)):
            for _ in range(2):
                own[client] -= 0.1 * ((own[client] - target) + 0.5 * (own[client] - received))
            close(run.adapted(client), {"w": own[client]})
        received = found["w"]
    assert set(run.uploads[0]) == {"w", "v"}


def test_before_it_trained_a_client_is_served_the_shared_numbers(federation: Any) -> None:
    run = federation(DittoStrategy(personal_epochs=2))
    found = run.step([0])
    assert run.adapted(1) == found
    assert run.adapted(0) != found


def test_personal_parameters_and_statistics_are_part_of_the_own_model(
    federation: Any, pair: Any, close: Any, private: Any
) -> None:
    run, own, seen = federation(DittoStrategy(attraction=0.5), pair(own=("v",), counted=True)), -1.0, 0.0
    for _ in range(2):
        run.step()
        own, seen = own - 0.1 * (own - 6), seen / 2 + 1.5
        close(run.adapted(0), {"v": own, "seen": seen})
    close(private(run, 0), {"v": own})


def test_without_attraction_the_own_numbers_are_those_of_a_client_alone(federation: Any, close: Any) -> None:
    run = federation(DittoStrategy(attraction=0.0))
    run.step(), run.step()
    close(run.adapted(0), {"w": 3 - 2 * 0.9**2})


def test_momentum_that_is_kept_is_each_model_s_own(federation: Any, close: Any) -> None:
    run = federation(DittoStrategy(attraction=0.0), optimizer=Optimizer("sgd", 0.1, 0.9, 0.0, state="kept"))
    own, velocity = 1.0, 0.0
    for _ in range(3):
        run.step()
        velocity = 0.9 * velocity + (own - 3)
        own -= 0.1 * velocity
        close(run.adapted(0), {"w": own})


def test_gradients_of_batches_are_refused() -> None:
    (line,) = DittoStrategy(synchronise="batch").problems()
    assert "'round'" in line
