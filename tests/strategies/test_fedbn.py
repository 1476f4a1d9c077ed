from typing import Any

from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.fedbn import FedBNStrategy


def test_norms_and_statistics_stay_and_the_rest_is_averaged(
    federation: Any, pair: Any, close: Any, private: Any
) -> None:
    run, own = federation(FedBNStrategy(), pair(norm=("v",), counted=True)), [(-1.0, 0.0), (-1.0, 0.0)]
    plain = federation(FedAvgStrategy())
    for _ in range(2):
        found = run.step()
        assert found == {"w": plain.step()["w"]}
        for client, target in ((0, 3), (1, 6)):
            v, seen = own[client]
            own[client] = v - 0.1 * (v - 2 * target), seen / 2 + target / 2
            close(private(run, client), dict(zip(("v", "seen"), own[client], strict=True)))
    assert set(run.uploads[0]) == {"w"}


def test_learners_without_norms_or_with_nothing_else_are_refused(pair: Any) -> None:
    (line,) = FedBNStrategy().refusals(pair())
    assert "fedavg" in line
    (line,) = FedBNStrategy().refusals(pair(norm=("w", "v")))
    assert "local" in line
