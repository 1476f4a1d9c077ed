"""Learning-rate schedules against torch's own, by round and by step, alone and in federations."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as torch_schedules

from fedsilo.core import RoundRecord
from fedsilo.core.training_settings import LearningRateSchedule, Optimizer, Training
from fedsilo.learners.coop import CoOpLearner
from fedsilo.methods.composed import Composed
from fedsilo.methods.fedper import FedPer
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals
from fedsilo.strategies.fedavg import FedAvgStrategy

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


@pytest.mark.parametrize("way", ["round", "batch"])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_resumed_run_with_a_schedule_and_a_kept_state_has_the_same_bits(
    world: Any, tmp_path: Path, way: str, kind: str
) -> None:
    """FedPer's clients step a part themselves, the server the rest where gradients are sent."""
    schedule = LearningRateSchedule("cosine", by="step", warmup=1, warmup_from=0.1)
    here = world(rounds=3, optimizer=Optimizer(kind, 0.05, 0.9, 0.001, state="kept"), schedule=schedule)
    method = FedPer(context_length=4, synchronise=way)

    def go(folder: str, watch: Any = lambda record: None) -> Outcome:
        (tmp_path / folder).mkdir(exist_ok=True)
        backend, checkpoints = SerialBackend(here.clients(method)), Checkpoints(tmp_path / folder / "checkpoints", 2)
        return Federation(here.plan(method), backend, Journals(tmp_path / folder), checkpoints).run(watch)

    def cut(record: RoundRecord) -> None:
        raise KeyboardInterrupt

    whole = go("whole")
    with pytest.raises(KeyboardInterrupt):
        go("cut", cut)
    resumed = go("cut")
    assert (resumed.shared_sha256, resumed.private_sha256) == (whole.shared_sha256, whole.private_sha256)
    plain = world(rounds=3, optimizer=Optimizer(kind, 0.05, 0.9, 0.001, state="kept")).federate(method, tmp_path / "no")
    assert plain.shared_sha256 != whole.shared_sha256


def test_noise_keys_differ_between_combinations(world: Any) -> None:
    from fedsilo.privacy.mechanisms.central import Central
    from fedsilo.strategies.fedprox import FedProxStrategy

    here = world(rounds=1, mechanism=Central(noise_multiplier=1.0))
    methods = [Composed(CoOpLearner(context_length=3), s) for s in (FedAvgStrategy(), FedProxStrategy())]
    assert len({here.fitted(method).federation for method in methods}) == 2
