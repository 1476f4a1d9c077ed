"""Networks with batch norms: what noise and late updates do to running variances, and batches of one image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fedsilo.core import ClientTask
from fedsilo.core.errors import ClientError
from fedsilo.core.round_work import ServerWork
from fedsilo.methods.composed import Composed
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.strategies.fedadam import FedAdamStrategy
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.model_sizes import ModelSizes
from fedsilo.training.module_learner import ModuleLearner


@dataclass(frozen=True)
class Normed(ModuleLearner):
    def module(self, sizes: ModelSizes) -> nn.Module:
        return nn.Sequential(nn.BatchNorm1d(sizes.joint), nn.Linear(sizes.joint, sizes.candidates))


@pytest.mark.parametrize("strategy", [FedAvgStrategy(), FedAdamStrategy()])
def test_a_variance_below_0_is_put_back_and_nothing_else_is_changed(world: Any, strategy: Any) -> None:
    """A mean with noise, or of changes that come late and are added to a newer state, can be anything."""
    here, method = world(), Composed(Normed(), strategy)
    shared = method.initial_shared(here.model, 0)
    mean = {name: shared[name] - 2.5 for name in method.uploads}
    work = ServerWork(shared, mean, {}, (20, 27, 34), here.rules.training, 0, 0)
    after, before = method.server_step(work), strategy.server_step(work, method.learner)
    assert torch.equal(after["0.running_var"], torch.zeros_like(after["0.running_var"]))
    assert float(before["0.running_var"].max()) == -1.5
    assert list(after) == list(before)
    assert all(torch.equal(after[n], before[n]) for n in after if n != "0.running_var")


def test_noise_on_running_variances_makes_no_run_end(world: Any, tmp_path: Path) -> None:
    here = world(rounds=2, mechanism=Central(noise_multiplier=5.0, clip_norm=1.0))
    outcome = here.federate(Composed(Normed()), tmp_path / "run")
    assert len(outcome.records) == 2
    assert all(score["loss"] is not None for score in outcome.scores)


def test_a_batch_of_one_image_is_refused_in_one_line(world: Any) -> None:
    here, method = world(batch_size=1), Composed(Normed())
    client, initial = here.clients(method)[0], here.plan(method).initial
    with pytest.raises(ClientError, match=r"training.batch_size: .*one image.* GroupNorm"):
        client.train(ClientTask(0, 0, initial))
