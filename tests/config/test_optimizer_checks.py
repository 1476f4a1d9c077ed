"""Which optimizers and mechanisms a strategy cannot compute with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedsilo.config.optimizer_checks import check_exact_counts, check_optimizer, find_clashes
from fedsilo.config.scenario_reading import from_mapping
from fedsilo.core.training_settings import KEPT, Optimizer
from fedsilo.learners.coop import CoOpLearner
from fedsilo.methods.composed import Composed
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.strategies.fednova import FedNovaStrategy
from fedsilo.strategies.scaffold import ScaffoldStrategy


@pytest.mark.parametrize(
    ("optimizer", "key", "remedy"),
    [
        (Optimizer("adam"), "training.optimizer.name", "Use 'sgd'"),
        (Optimizer("sgd", momentum=0.9, state=KEPT), "training.optimizer.state", "a momentum of 0"),
        (Optimizer("sgd", momentum=0.0, state=KEPT), "", ""),
        (Optimizer("sgd", momentum=0.9), "", ""),
    ],
)
def test_scaffold_computes_with_the_steps_of_sgd_of_one_round(optimizer: Optimizer, key: str, remedy: str) -> None:
    method = Composed(CoOpLearner(), ScaffoldStrategy())
    clashes = list(find_clashes(method, optimizer, NoMechanism()))
    assert [clash.key for clash in clashes] == ([key] if key else [])
    assert all(remedy in clash.remedy for clash in clashes)
    assert not list(find_clashes(Composed(CoOpLearner(), FedAvgStrategy()), optimizer, NoMechanism()))


def test_a_scenario_s_own_method_is_checked_with_its_title() -> None:
    usual = from_mapping({"method": "coop+scaffold"})
    assert [*check_optimizer(usual), *check_exact_counts(usual)] == []
    adam = replace(usual, training=replace(usual.training, optimizer=Optimizer("adam")))
    (line,) = check_optimizer(adam)
    assert line.startswith("training.optimizer.name: is 'adam', but method 'coop+scaffold' computes with")
    assert list(check_exact_counts(adam)) == []


def test_counts_pass_no_mechanism() -> None:
    noisy = from_mapping({"method": "coop+fedavg", "privacy": {"mode": "central", "noise_multiplier": 1.0}})
    assert list(check_exact_counts(noisy)) == []
    (line,) = check_exact_counts(replace(noisy, method=Composed(CoOpLearner(), FedNovaStrategy())))
    assert line.startswith("privacy.mode: is 'central', but method 'coop+fednova' sends counts")
    assert "Use 'none', or the strategy fedavg" in line
