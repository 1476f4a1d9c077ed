"""FedAMP against a hand: squared distances are over both numbers together."""

from math import exp
from typing import Any

import pytest
import torch

from fedsilo.strategies.fedamp import FedAMPStrategy
from fedsilo.strategies.local import LocalStrategy

STRATEGY = FedAMPStrategy(alpha=0.3, sigma=2.0, attraction=0.5)


def test_two_rounds_of_cloud_models_and_pulls_to_them(federation: Any, close: Any, private: Any) -> None:
    run, targets = federation(STRATEGY), ((3, 6), (6, 12))
    own, clouds = [(1.0, -1.0), (1.0, -1.0)], [(1.0, -1.0), (1.0, -1.0)]
    for _ in range(2):
        run.step()
        own = [
            tuple(p - 0.1 * ((p - t) + 0.5 * (p - u)) for p, t, u in zip(own[c], targets[c], clouds[c], strict=True))
            for c in (0, 1)
        ]
        distance = sum((a - b) ** 2 for a, b in zip(*own, strict=True))
        xi = 0.3 / 2 * exp(-distance / 2)
        assert 0 < xi < 0.5
        clouds = [tuple((1 - xi) * a + xi * b for a, b in zip(own[c], own[1 - c], strict=True)) for c in (0, 1)]
        for c in (0, 1):
            close(private(run, c), dict(zip("wv", own[c], strict=True)))
            close(
                {n: float(t) for n, t in run.method.download(run.shared, c).items()},
                dict(zip("wv", clouds[c], strict=True)),
            )


def test_a_step_that_would_not_be_a_mixture_is_shortened_to_the_plain_mean() -> None:
    models = torch.zeros(4, 2, dtype=torch.float64)
    weights = FedAMPStrategy(alpha=100.0).compute_mixture(models)
    assert torch.allclose(weights, torch.full((4, 4), 0.25, dtype=torch.float64))


def test_without_attraction_every_client_trains_alone(federation: Any, private: Any) -> None:
    pulled, alone = federation(FedAMPStrategy(attraction=0.0)), federation(LocalStrategy())
    for _ in range(2):
        pulled.step(), alone.step()
    assert [private(pulled, c)["w"] for c in (0, 1)] == [private(alone, c)["w"] for c in (0, 1)]


def test_personal_parameters_and_statistics_do_not_travel(federation: Any, pair: Any) -> None:
    run = federation(STRATEGY, pair(own=("v",), counted=True))
    run.step()
    assert set(run.uploads[0]) == {"w"}
    assert set(run.private[0]) == {"w", "v", "seen"}
    assert float(run.private[0]["seen"]) == pytest.approx(1.5)


def test_gradients_of_batches_are_refused() -> None:
    (line,) = FedAMPStrategy(synchronise="batch").problems()
    assert "'round'" in line
    assert FedAMPStrategy.reads_updates
    assert not FedAMPStrategy.averages
