"""Attacks and their evaluation on observations with known membership."""

from typing import Any

import numpy as np
import pytest

from fedsilo.runs.audit.attack_evaluation import Evidence, judge
from fedsilo.runs.audit.audited_images import Population
from fedsilo.runs.audit.lira import LikelihoodRatio
from fedsilo.runs.audit.model_scores import Observation
from fedsilo.runs.audit.shadow_model_attack import AttackModels

ATTACKS = [LikelihoodRatio(), AttackModels(0)]


NAMES = ["ratio", "models"]


def evidence(population: Population, observe: Any, gap: float, **changes: Any) -> Evidence:
    target, *shadows = observe(9, gap, **changes)
    return Evidence(population, target, shadows, 1e-5, 0)


@pytest.mark.parametrize("attack", ATTACKS, ids=NAMES)
def test_members_are_found_and_epsilon_is_bounded_below(attack: Any, population: Population, observe: Any) -> None:
    found = judge(attack, evidence(population, observe, gap=4.0, hardness=0.5))
    assert found.rates.success > 0.9
    assert found.p_value < 0.002
    assert found.chance_low.success < 0.5 < found.chance_high.success < 0.6
    assert found.epsilon.epsilon > 2.0
    assert (found.epsilon.runs, found.epsilon.canaries) == (4, 3200)
    assert found.if_independent.epsilon > 2.0


@pytest.mark.parametrize("attack", ATTACKS, ids=NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_is_to_be_seen_nothing_is_seen(
    attack: Any, seed: int, population: Population, observe: Any
) -> None:
    found = judge(attack, evidence(population, observe, gap=0.0, seed=seed))
    assert found.rates.success == pytest.approx(0.5, abs=0.05)
    assert found.p_value > 0.005
    assert found.epsilon.epsilon < 0.1


@pytest.mark.parametrize("attack", ATTACKS, ids=NAMES)
def test_shuffled_membership_is_guessing_however_much_there_is_to_see(
    attack: Any, population: Population, observe: Any
) -> None:
    plain = evidence(population, observe, gap=4.0, hardness=0.5)
    shuffled = Evidence(population, plain.target, plain.shadows, plain.delta, plain.seed, shuffle=True)
    found = judge(attack, shuffled)
    # 800 guesses: the binomial's interval
    assert abs(found.rates.success - 0.5) < 2.6 * 0.5 / np.sqrt(800)
    assert found.rates.auc == pytest.approx(0.5, abs=0.06)
    assert found.epsilon.epsilon < 0.1


def test_the_control_of_epsilon_throws_new_coins(population: Population, observe: Any) -> None:
    """Models tell how many of a class are in; shuffling inside classes would leave that true of the labels."""
    members = [
        np.isin(population.labels, pair) for pair in ((0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2), (0, 1), (2, 3))
    ]
    table = np.log(np.full((800, 4), 0.25))
    shadows = [
        Observation(table + 2.0 * m[:, None] * np.eye(4)[population.labels], m, m, np.ones(800, bool)) for m in members
    ]
    target = Observation(table, population.members, population.members, np.zeros(800, bool))
    truth = judge(LikelihoodRatio(), Evidence(population, target, shadows, 1e-5, 0))
    control = judge(LikelihoodRatio(), Evidence(population, target, shadows, 1e-5, 0, shuffle=True))
    assert truth.epsilon.epsilon > 3
    assert control.epsilon.epsilon < 0.1


def test_thresholds_are_those_of_the_trials_and_not_of_the_audited_run(population: Population, observe: Any) -> None:
    plain = evidence(population, observe, gap=2.0)
    others = np.roll(plain.target.members, 7)  # as many
    false = Observation(plain.target.log_probabilities, others, others, plain.target.canaries)
    other = Evidence(population, false, plain.shadows, plain.delta, plain.seed)
    for attack in ATTACKS:
        here, there = judge(attack, plain), judge(attack, other)
        assert here.threshold == there.threshold
        assert here.if_independent.threshold == there.if_independent.threshold
        assert here.epsilon == there.epsilon
        assert here.rates.success > 0.6 > there.rates.success


def test_members_in_no_batch_are_not_judged_but_their_coins_count(population: Population, observe: Any) -> None:
    target, *shadows = observe(5, 2.0)
    idle = np.arange(800) % 10 == 0
    seen = [Observation(s.log_probabilities, s.members, s.exposed & ~idle, s.canaries) for s in (target, *shadows)]
    about = Evidence(population, seen[0], seen[1:], 1e-5, 0)
    fitted = LikelihoodRatio().fit(about.references, population)
    assert about.score_target(fitted).members.sum() == (target.members & ~idle).sum()
    assert (~about.score_target(fitted).members).sum() == (~target.members).sum()
    assert about.score_trials(fitted).members.sum() == sum((s.members & ~idle).sum() for s in about.trials)
    assert about.score_canaries(fitted).members.sum() == sum(s.members.sum() for s in about.trials)


def test_the_attack_never_sees_the_trials_coins(population: Population, observe: Any) -> None:
    """The bound holds only if the guesser of a coin does not know the coin."""
    plain = evidence(population, observe, gap=2.0)
    for attack in ATTACKS:
        before = attack.fit(plain.references, population).scores(plain.trials[0], population)
        blind = [
            Observation(s.log_probabilities, ~s.members, ~s.members, s.canaries) if number % 2 else s
            for number, s in enumerate(plain.shadows)
        ]
        after = Evidence(population, plain.target, blind, plain.delta, plain.seed)
        np.testing.assert_array_equal(
            before, attack.fit(after.references, population).scores(after.trials[0], population)
        )


@pytest.mark.parametrize("attacks", [1, 2])
def test_all_tries_at_a_bound_share_its_chance_of_error(attacks: int, population: Population) -> None:
    """Scores that are the truth: of 3200 canaries 64, 320 or 1600 are guessed, all right, each at 5 % / 3."""
    coins = np.random.default_rng(0).random((8, 800)) < 0.5
    table = np.log(np.full((800, 4), 0.25))
    own = np.eye(4)[population.labels]
    shadows = [Observation(table + 3.0 * one[:, None] * own, one, one, np.ones(800, bool)) for one in coins]
    target = Observation(table, population.members, population.members, np.zeros(800, bool))
    found = judge(LikelihoodRatio(), Evidence(population, target, shadows, 0.0, 0), attacks).epsilon
    assert (found.canaries, found.guesses, found.right) == (3200, 1600, 1600)
    each = (0.05 / 3 / attacks) ** (1 / 1600)
    assert found.epsilon == pytest.approx(np.log(each / (1 - each)), abs=1e-4)
