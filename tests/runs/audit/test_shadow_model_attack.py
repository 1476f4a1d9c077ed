"""Attack models on observations with known membership."""

from typing import Any

import numpy as np

from fedsilo.runs.audit.audited_images import Population
from fedsilo.runs.audit.model_scores import Observation
from fedsilo.runs.audit.shadow_model_attack import AttackModels


def test_attack_models_are_networks_where_there_is_enough_to_learn_from(population: Population, observe: Any) -> None:
    rows = np.arange(800) % 100 < 4
    few = Population(
        population.positions[rows], population.clients[rows], population.labels[rows], population.members[rows],
        population.alone[rows], population.domains,
    )  # fmt: skip
    seen = observe(4, 2.0)
    cut = [Observation(s.log_probabilities[rows], s.members[rows], s.exposed[rows], s.canaries[rows]) for s in seen]
    assert {len(network) for network in AttackModels(0).fit(seen, population).networks.values()} == {4}
    assert {len(network) for network in AttackModels(0).fit(cut, few).networks.values()} == {2}


def test_attack_models_balance_members_and_others(population: Population, observe: Any) -> None:
    """Nine members of ten, nothing to see: without balance every answer would be "member"."""
    generator = np.random.default_rng(0)
    seen = []
    for one in observe(6, 0.0):
        members = generator.random(800) < 0.9
        seen.append(Observation(one.log_probabilities, members, members, one.canaries))
    scores = AttackModels(0).fit(seen, population).scores(seen[0], population)
    assert 0.25 < (scores > 0).mean() < 0.75


def test_attack_models_are_the_same_again(population: Population, observe: Any) -> None:
    seen = observe(4, 2.0)
    first, second = (AttackModels(3).fit(seen, population).scores(seen[0], population) for _ in range(2))
    np.testing.assert_array_equal(first, second)
