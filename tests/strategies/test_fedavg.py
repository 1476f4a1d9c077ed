"""FedAvg against a hand: client 0 has 2 and 4, client 1 has 6; one step of 0.1 each, weights 2/3 and 1/3."""

from dataclasses import replace
from typing import Any

import pytest

from fedsilo.core.training_settings import Optimizer
from fedsilo.strategies.fedavg import FedAvgStrategy


def test_two_rounds_of_the_mean_by_examples(federation: Any, close: Any) -> None:
    run, w, v = federation(FedAvgStrategy()), 1.0, -1.0
    for _ in range(2):
        own = [(w - 0.1 * (w - 3), v - 0.1 * (v - 6)), (w - 0.1 * (w - 6), v - 0.1 * (v - 12))]
        found = run.step()
        assert [float(run.uploads[c]["w"]) for c in (0, 1)] == pytest.approx([part[0] for part in own])
        w, v = ((2 * a + b) / 3 for a, b in zip(*own, strict=True))
        close(found, {"w": w, "v": v})
    assert set(found) == {"w", "v"}
    assert run.private == [{}, {}]


def test_clients_can_count_alike_and_keep_what_is_personal(
    federation: Any, pair: Any, close: Any, private: Any
) -> None:
    run = federation(FedAvgStrategy(count_alike=True), pair(own=("v",)))
    close(run.step(), {"w": (1.2 + 1.5) / 2})
    assert set(run.shared) == set(run.uploads[0]) == {"w"}
    close(private(run, 0), {"v": -1 + 0.7})
    close(private(run, 1), {"v": -1 + 1.3})


def test_running_statistics_are_averaged_with_the_parameters(federation: Any, pair: Any, close: Any) -> None:
    run = federation(FedAvgStrategy(), pair(counted=True))
    close(run.step(), {"seen": (2 * 1.5 + 3.0) / 3})
    close(run.step(), {"seen": (2 * (1 + 1.5) + (1 + 3.0)) / 3})


def test_gradients_of_batches_are_stepped_along_with_momentum_by_the_server(federation: Any, close: Any) -> None:
    """FedSGD: two batches a round for client 0, which client 1 begins again; clients count alike."""
    run = federation(
        FedAvgStrategy(synchronise="batch"),
        data=((3.0, 3.0), (6.0,)),
        batch_size=1,
        optimizer=Optimizer("sgd", 0.1, 0.9, 0),
    )
    w, velocity = 1.0, 0.0
    for _ in range(2):
        for _ in range(2):
            velocity = 0.9 * velocity + ((w - 3) + (w - 6)) / 2
            w -= 0.1 * velocity
        close(run.step(), {"w": w})


def test_the_server_steps_a_parameter_by_the_learner_s_factor_of_the_rate(
    federation: Any, pair: Any, close: Any
) -> None:
    found = federation(FedAvgStrategy(synchronise="batch"), pair(factors={"v": 5.0})).step()
    close(found, {"w": 1 + 0.1 * 3.5, "v": -1 + 0.5 * 10})


def test_gradients_are_refused_where_statistics_have_to_be_averaged(pair: Any) -> None:
    (line,) = FedAvgStrategy(synchronise="batch").refusals(pair(counted=True))
    assert "BatchNorm" in line
    assert "'round'" in line
    (line,) = FedAvgStrategy().refusals(replace(pair(), own=("w", "v")))
    assert "no parameters that can be shared" in line
