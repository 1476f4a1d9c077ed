"""Learning-rate schedules against torch's own, by round and by step, alone and in federations."""

from pathlib import Path
from typing import Any

import pytest

from fedsilo.core import RoundRecord
from fedsilo.core.training_settings import LearningRateSchedule, Optimizer
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
