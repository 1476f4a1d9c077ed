"""FedAdagrad, FedAdam and FedYogi against a hand: algorithm 2 of Reddi et al., on two numbers and three rounds."""

from typing import Any

import pytest

from fedsilo.strategies.fedadagrad import FedAdagradStrategy
from fedsilo.strategies.fedadam import FedAdamStrategy
from fedsilo.strategies.fedyogi import FedYogiStrategy

STRATEGIES = [FedAdagradStrategy, FedAdamStrategy, FedYogiStrategy]


def change(at: float) -> float:
    """The mean change of w by one step of 0.1 at each client, weighed by examples."""
    return (2 * -0.1 * (at - 3) - 0.1 * (at - 6)) / 3


def adagrad(v: float, square: float) -> float:
    return v + square


def adam(v: float, square: float) -> float:
    return 0.9 * v + 0.1 * square


def yogi(v: float, square: float) -> float:
    return v - 0.1 * square * ((v > square) - (v < square))


@pytest.mark.parametrize(
    ("strategy", "second"),
    [
        (FedAdagradStrategy(beta_1=0.6, server_rate=0.05, tau=0.01), adagrad),
        (FedAdamStrategy(beta_1=0.6, beta_2=0.9, server_rate=0.05, tau=0.01), adam),
        (FedYogiStrategy(beta_1=0.6, beta_2=0.9, server_rate=0.05, tau=0.01), yogi),
    ],
    ids=["adagrad", "adam", "yogi"],
)
def test_the_server_steps_by_the_paper_s_equations(strategy: Any, second: Any, federation: Any, close: Any) -> None:
    run = federation(strategy)
    w, m, v = 1.0, 0.0, 0.01**2
    for _ in range(3):
        d = change(w)
        m, v = 0.6 * m + 0.4 * d, second(v, d * d)
        w += 0.05 * m / (v**0.5 + 0.01)
        close(run.step(), {"w": w, "server/first/w": m, "server/second/w": v})
    assert set(run.uploads[0]) == {"w", "v"}
    assert set(run.method.download(run.shared, 0)) == {"w", "v"}
    assert run.private == [{}, {}]


@pytest.mark.parametrize(
    ("strategy", "share"),
    [(FedAdagradStrategy, 1.0), (FedAdamStrategy, 0.99**0.5), (FedYogiStrategy, 1.0)],
    ids=["adagrad", "adam", "yogi"],
)
def test_with_a_large_tau_the_first_step_is_a_share_of_fedavg_s(strategy: Any, share: float, federation: Any) -> None:
    """A squared change is nothing beside v = tau^2, of which Adam keeps beta_2 = 0.99: eta D / (tau (share + 1))."""
    run = federation(strategy(beta_1=0.0, server_rate=1e4, tau=1e4))
    assert run.step()["w"] == pytest.approx(1 + change(1.0) / (share + 1), rel=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_statistics_are_averaged_as_they_are_and_gradients_refused(
    strategy: Any, federation: Any, pair: Any, close: Any
) -> None:
    close(federation(strategy(), pair(counted=True)).step(), {"seen": 2.0})
    (line,) = strategy(synchronise="batch").problems()
    assert "fedavg" in line
