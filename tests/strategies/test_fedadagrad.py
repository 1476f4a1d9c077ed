from typing import Any

import pytest

from fedsilo.strategies.fedadagrad import FedAdagradStrategy


def change(at: float) -> float:
    """The mean change of w by one step of 0.1 at each client, weighed by examples."""
    return (2 * -0.1 * (at - 3) - 0.1 * (at - 6)) / 3


def test_the_server_steps_by_the_paper_s_equations(federation: Any, close: Any) -> None:
    run = federation(FedAdagradStrategy(beta_1=0.3, server_rate=0.05, tau=0.01))
    w, m, v = 1.0, 0.0, 0.01**2
    for _ in range(3):
        d = change(w)
        m = 0.3 * m + (1 - 0.3) * d
        v = v + d * d
        w += 0.05 * m / (v**0.5 + 0.01)
        close(run.step(), {"w": w, "server/first/w": m, "server/second/w": v})
    assert set(run.uploads[0]) == {"w", "v"}
    assert set(run.method.download(run.shared, 0)) == {"w", "v"}
    assert run.private == [{}, {}]


def test_with_a_large_tau_the_first_step_is_fedavg_s_in_small(federation: Any) -> None:
    """eta / (sqrt(v) + tau) is eta / (2 tau) where v, tau^2 at first, is much larger than a squared change."""
    run = federation(FedAdagradStrategy(beta_1=0.0, server_rate=2e4, tau=1e4))
    assert run.step()["w"] == pytest.approx(1 + change(1.0), rel=1e-2 if "adagrad" == "adam" else 1e-5)


def test_statistics_are_averaged_as_they_are_and_gradients_refused(federation: Any, pair: Any, close: Any) -> None:
    close(federation(FedAdagradStrategy(), pair(counted=True)).step(), {"seen": 2.0})
    (line,) = FedAdagradStrategy(synchronise="batch").problems()
    assert "fedavg" in line
