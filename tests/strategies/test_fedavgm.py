from typing import Any

from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.fedavgm import FedAvgMStrategy


def mean(at: float, *targets: float) -> float:
    return (2 * (at - 0.1 * (at - targets[0])) + (at - 0.1 * (at - targets[1]))) / 3


def test_the_server_steps_along_the_mean_change_with_momentum(federation: Any, pair: Any, close: Any) -> None:
    run = federation(FedAvgMStrategy(server_rate=0.5, server_momentum=0.8), pair(counted=True))
    w = 1.0
    velocity = 0.0
    for _ in range(3):
        velocity = 0.8 * velocity + (mean(w, 3, 6) - w)
        w += 0.5 * velocity
        close(run.step(), {"w": w, "server/first/w": velocity})
    assert set(run.uploads[0]) == {"w", "v", "seen"}
    assert set(run.method.download(run.shared, 0)) == {"w", "v", "seen"}


def test_statistics_are_averaged_as_they_are(federation: Any, pair: Any, close: Any) -> None:
    run = federation(FedAvgMStrategy(server_rate=0.5), pair(counted=True))
    close(run.step(), {"seen": (2 * 1.5 + 3.0) / 3})


def test_with_beta_0_and_eta_1_it_is_fedavg(federation: Any) -> None:
    run, plain = federation(FedAvgMStrategy(server_rate=1.0, server_momentum=0.0)), federation(FedAvgStrategy())
    for _ in range(3):
        found, expected = run.step(), plain.step()
        assert (found["w"], found["v"]) == (expected["w"], expected["v"])


def test_gradients_of_batches_are_refused() -> None:
    (line,) = FedAvgMStrategy(synchronise="batch").problems()
    assert "fedavg" in line
