"""Attacks and their evaluation on observations with known membership."""

from typing import Any

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm

from fedsilo.runs.audit.attack_evaluation import Evidence, judge
from fedsilo.runs.audit.audited_images import Population
from fedsilo.runs.audit.lira import LikelihoodRatio, compute_confidence
from fedsilo.runs.audit.model_scores import Observation
from fedsilo.runs.audit.roc import compute_auc, compute_curve
from fedsilo.runs.audit.shadow_model_attack import AttackModels

ATTACKS = [LikelihoodRatio(), AttackModels(0)]
NAMES = ["ratio", "models"]


def evidence(population: Population, observe: Any, gap: float, **changes: Any) -> Evidence:
    target, *shadows = observe(9, gap, **changes)
    return Evidence(population, target, shadows, 1e-5, 0)


def test_confidence_is_the_logit_of_the_own_class(population: Population, observe: Any) -> None:
    (seen,) = observe(1, 0.0)
    own = np.exp(seen.log_probabilities)[np.arange(800), population.labels]
    np.testing.assert_allclose(compute_confidence(seen, population), logit(own), rtol=1e-9)


def test_confidence_is_finite_where_probabilities_are_0_and_1_in_floating_point(population: Population) -> None:
    scores = np.full((800, 4), -400.0)
    scores[:, 0] = 0.0
    seen = Observation(scores, *[np.zeros(800, dtype=bool)] * 3)
    found = compute_confidence(seen, population)
    assert np.isfinite(found).all()
    assert set(found[population.labels == 0].round()) == {400 - round(np.log(3))}


def test_the_ratio_is_as_good_as_the_two_normals_allow(population: Population, observe: Any) -> None:
    """With many shadow models the attack knows both normals: AUC is then Phi(gap / sqrt 2), whatever an image's own."""
    target, *shadows = observe(200, 1.0, hardness=5.0)
    scores = LikelihoodRatio().fit(shadows, population).scores(target, population)
    assert compute_auc(*compute_curve(scores, target.members)) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.03)
    # without an image's own mean there would be next to nothing to see
    assert compute_auc(*compute_curve(compute_confidence(target, population), target.members)) == pytest.approx(
        0.5, abs=0.1
    )


def test_an_image_that_was_in_every_shadow_or_in_none_is_judged_by_the_others_gap(
    population: Population, observe: Any
) -> None:
    target, *shadows = observe(17, 3.0)
    always = [
        Observation(
            s.log_probabilities, s.members | (np.arange(800) < 40), s.exposed | (np.arange(800) < 40), s.canaries
        )
        for s in shadows
    ]
    fitted = LikelihoodRatio().fit(always, population)
    scores = fitted.scores(target, population)
    assert np.isfinite(scores).all()
    assert np.isfinite(fitted.outside.means).all()


def test_a_member_in_no_batch_teaches_neither_side(population: Population, observe: Any) -> None:
    seen = observe(8, 2.0)
    idle = [
        Observation(
            np.where(np.arange(800)[:, None] == 5, -3.0 * number, one.log_probabilities),
            one.members | (np.arange(800) == 5),
            one.exposed & (np.arange(800) != 5),
            one.canaries,
        )
        for number, one in enumerate(seen)
    ]
    fitted = LikelihoodRatio().fit(idle, population)
    assert np.isnan(fitted.inside.means[5])
    assert np.isnan(fitted.outside.means[5])


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
