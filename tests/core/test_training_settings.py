"""Learning-rate schedules against torch's own, by round and by step."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as torch_schedules

from fedsilo.core.training_settings import LearningRateSchedule, Optimizer, Training

ROUNDS, STEPS, RATE = 6, 4, 0.3


Torch = Callable[[torch.optim.Optimizer, int], torch_schedules.LRScheduler]
"""A schedule of torch's for an optimizer, with the scheduler's steps in a round."""


def warmed(start: float, shape: str, rounds: int, then: Torch) -> Torch:
    def make(optimizer: torch.optim.Optimizer, per_round: int) -> torch_schedules.LRScheduler:
        steps = rounds * per_round
        if shape == "linear":
            first: Any = torch_schedules.LinearLR(optimizer, start, 1.0, steps)
        else:
            first = torch_schedules.ConstantLR(optimizer, start, steps)
        return torch_schedules.SequentialLR(optimizer, [first, then(optimizer, per_round)], [steps])

    return make


def cosine(rounds: int, minimum: float = 0.0) -> Torch:
    return lambda o, per_round: torch_schedules.CosineAnnealingLR(o, rounds * per_round, minimum * RATE)


PAIRS: list[tuple[dict[str, Any], Torch]] = [
    ({"name": "constant"}, lambda o, n: torch_schedules.ConstantLR(o, 1.0)),
    ({"name": "cosine"}, cosine(ROUNDS)),
    ({"name": "cosine", "minimum": 0.1}, cosine(ROUNDS, 0.1)),
    ({"name": "step", "every": 2, "gamma": 0.3}, lambda o, n: torch_schedules.StepLR(o, 2 * n, 0.3)),
    ({"name": "exponential", "gamma": 0.5}, lambda o, n: torch_schedules.ExponentialLR(o, 0.5 ** (1 / n))),
    (
        {"name": "cosine", "warmup": 2, "warmup_from": 0.1},
        warmed(0.1, "linear", 2, cosine(ROUNDS - 2)),
    ),
    (
        {"name": "cosine", "warmup": 1, "warmup_from": 0.005, "warmup_shape": "constant"},
        warmed(0.005, "constant", 1, cosine(ROUNDS - 1)),
    ),
    (
        {"warmup": 3, "warmup_from": 0.2},
        warmed(0.2, "linear", 3, lambda o, n: torch_schedules.ConstantLR(o, 1.0)),
    ),
]


@pytest.mark.filterwarnings("ignore:.*epoch parameter.*")
@pytest.mark.parametrize("by", ["round", "step"])
@pytest.mark.parametrize(("keys", "torch_s"), PAIRS, ids=[",".join(map(str, keys.values())) for keys, _ in PAIRS])
def test_rates_are_torch_s(keys: dict[str, Any], torch_s: Torch, by: str) -> None:
    training = Training(
        rounds=ROUNDS, optimizer=Optimizer(learning_rate=RATE), schedule=LearningRateSchedule(by=by, **keys)
    )
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler = torch_s(optimizer, STEPS if by == "step" else 1)
    for round in range(ROUNDS):
        for step in range(STEPS):
            expected = optimizer.param_groups[0]["lr"]
            assert training.learning_rate(round + step / STEPS) == pytest.approx(expected, rel=1e-9, abs=1e-12)
            optimizer.step()
            if by == "step":
                scheduler.step()
        if by == "round":
            scheduler.step()


@pytest.mark.parametrize(
    ("warmup", "by", "rounds", "refused"),
    [(1.5, "round", 2, True), (1.5, "step", 2, False), (0.5, "round", 1, True), (0.5, "step", 1, False)]
    + [(warmup, by, 2, warmup >= 2) for warmup in (0.0, 1.0, 2.0, 3.0) for by in ("round", "step")],
)
def test_a_warm_up_that_leaves_no_step_at_the_full_rate_is_refused(
    warmup: float, by: str, rounds: int, refused: bool
) -> None:
    """By round a warm-up of half a round is the whole round, at the rate that it begins with."""
    training = Training(rounds=rounds, schedule=LearningRateSchedule(warmup=warmup, by=by))
    rates = [training.learning_rate(step / 4) for step in range(4 * rounds)]
    assert (training.optimizer.learning_rate not in rates) == refused
    assert [f"schedule.warmup: {warmup:g} rounds" in line for line in training.problems()] == [True] * refused


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("name", ["constant", "cosine", "step", "exponential"])
def test_a_run_begins_at_the_full_rate(name: str, rounds: int) -> None:
    training = Training(rounds=rounds, schedule=LearningRateSchedule(name))
    assert training.learning_rate(0) == training.learning_rate(0.99) == training.optimizer.learning_rate
    assert Training(rounds=rounds, schedule=LearningRateSchedule(name, by="step")).learning_rate(0.99) >= 0
