"""FedProx against a hand, with two local steps: the proximal term has no gradient in the first one."""

from typing import Any

from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.fedprox import FedProxStrategy


def client(start: float, target: float, mu: float) -> float:
    w = start
    for _ in range(2):
        w -= 0.1 * ((w - target) + mu * (w - start))
    return w


def test_two_rounds_are_held_near_what_was_received(federation: Any, close: Any) -> None:
    run, w, v = federation(FedProxStrategy(mu=0.7), local_epochs=2), 1.0, -1.0
    for _ in range(2):
        w = (2 * client(w, 3, 0.7) + client(w, 6, 0.7)) / 3
        v = (2 * client(v, 6, 0.7) + client(v, 12, 0.7)) / 3
        close(run.step(), {"w": w, "v": v})


def test_the_term_leaves_personal_parameters_alone(federation: Any, pair: Any, close: Any, private: Any) -> None:
    run = federation(FedProxStrategy(mu=0.7), pair(own=("v",)), local_epochs=2)
    close(run.step(), {"w": (2 * client(1, 3, 0.7) + client(1, 6, 0.7)) / 3})
    close(private(run, 0), {"v": client(-1, 6, 0.0)})


def test_with_mu_0_it_is_fedavg(federation: Any) -> None:
    off, plain = (federation(s, local_epochs=2) for s in (FedProxStrategy(mu=0.0), FedAvgStrategy()))
    assert [off.step(), off.step()] == [plain.step(), plain.step()]


def test_gradients_of_batches_are_refused() -> None:
    (line,) = FedProxStrategy(synchronise="batch").problems()
    assert line.startswith("synchronise: ")
    assert "fedavg" in line
