"""Bounds on epsilon: against scipy, the numbers of the paper, and mechanisms with known epsilon."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from fedsilo.runs.audit.binomial_bounds import clopper_pearson, largest_chance, one_run_bound, rates_bound


@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (1, 1), (0, 30), (30, 30), (3, 40), (37, 40), (500, 1000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_clopper_pearson_is_scipy_s_exact_interval(hits: int, trials: int, confidence: float) -> None:
    expected = binomtest(hits, trials).proportion_ci(confidence, method="exact")
    low, high = clopper_pearson(hits, trials, confidence)
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("canaries", "guesses", "right", "delta", "published"),
    [(1000, 100, 75, 1e-4, 0.673), (100_000, 1510, 1439, 1e-5, 2.675)],
)
def test_the_one_run_bound_gives_the_paper_s_numbers(
    canaries: int, guesses: int, right: int, delta: float, published: float
) -> None:
    # arXiv:2305.08846: appendix D, and section 7, which cuts its number off
    assert one_run_bound(canaries, guesses, right, delta, 0.95) == pytest.approx(published, abs=1e-3)


def test_without_delta_the_chance_is_a_binomial_tail() -> None:
    epsilon, guesses, right = 0.7, 40, 31
    each = math.exp(epsilon) / (1 + math.exp(epsilon))
    tail = sum(math.comb(guesses, k) * each**k * (1 - each) ** (guesses - k) for k in range(right, guesses + 1))
    assert largest_chance(40, guesses, right, epsilon, 0.0) == pytest.approx(tail, rel=1e-12)


def test_delta_adds_what_the_worst_jump_can_win() -> None:
    # Theorem 5.2 in its plain form: the largest over i of P[right - i <= X < right] / i, times 2 m delta.
    canaries, guesses, right, epsilon, delta = 60, 30, 22, 0.4, 1e-3
    each = 1 / (1 + math.exp(-epsilon))

    def pmf(k: int) -> float:
        return math.comb(guesses, k) * each**k * (1 - each) ** (guesses - k)

    tail = sum(pmf(k) for k in range(right, guesses + 1))
    jumps = [sum(pmf(k) for k in range(right - i, right)) / i for i in range(1, right + 1)]
    expected = tail + 2 * canaries * delta * max(jumps)
    assert largest_chance(canaries, guesses, right, epsilon, delta) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.data())
def test_more_right_guesses_a_larger_bound_more_delta_a_smaller_one(guesses: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(1, guesses))
    delta = data.draw(st.sampled_from([0.0, 1e-5, 1e-3]))
    bound = one_run_bound(400, guesses, right, delta, 0.95)
    assert one_run_bound(400, guesses, right - 1, delta, 0.95) <= bound + 1e-5
    assert one_run_bound(400, guesses, right, delta + 1e-3, 0.95) <= bound + 1e-5
    assert one_run_bound(400, guesses, right, delta, 0.99) <= bound + 1e-5
    if right <= guesses / 2:
        assert bound == 0.0


@pytest.mark.parametrize("guesses", [4, 10, 100, 1000])
def test_a_perfect_attack_is_bounded_by_how_much_it_guessed(guesses: int) -> None:
    # All right by chance alone: each^guesses = 5 %, and each = 1 / (1 + e^-epsilon).
    each = 0.05 ** (1 / guesses)
    expected = max(math.log(each / (1 - each)), 0.0)
    assert one_run_bound(guesses, guesses, guesses, 0.0, 0.95) == pytest.approx(expected, abs=1e-5)


def test_the_one_run_bound_holds_for_randomised_response_and_comes_near() -> None:
    """The hardest private mechanism: every bit is revealed with probability e^eps / (1 + e^eps)."""
    epsilon, canaries = 1.0, 800
    generator = np.random.default_rng(0)
    right = generator.binomial(canaries, 1 / (1 + math.exp(-epsilon)), 300)
    bounds = {k: one_run_bound(canaries, canaries, k, 0.0, 0.95) for k in np.unique(right).tolist()}
    found = np.array([bounds[k] for k in right.tolist()])
    assert (found > epsilon).mean() < 0.05 + 0.03
    assert 0.7 < np.median(found) < epsilon


def test_the_rates_bound_by_hand() -> None:
    low = binomtest(90, 100).proportion_ci(0.95, method="exact").low
    high = binomtest(5, 200).proportion_ci(0.95, method="exact").high
    expected = max(math.log((low - 1e-5) / high), math.log((1 - high - 1e-5) / (1 - low)))
    assert float(rates_bound(90, 100, 5, 200, 1e-5, 0.95)) == pytest.approx(expected, rel=1e-9)


def test_the_rates_bound_sees_what_is_not_guessed_as_well() -> None:
    # Nearly all are called members; the few that are not are no member at all: it is those that tell.
    bound = float(rates_bound(1000, 1000, 700, 1000, 0.0, 0.95))
    assert bound > 4
    assert float(rates_bound(300, 1000, 0, 1000, 0.0, 0.95)) == pytest.approx(bound)


@pytest.mark.parametrize("counts", [(0, 10, 0, 10), (10, 10, 10, 10), (5, 10, 5, 10), (0, 10, 10, 10), (1, 1, 0, 1)])
def test_rates_that_say_nothing_bound_nothing(counts: tuple[int, int, int, int]) -> None:
    assert float(rates_bound(*counts, 0.0, 0.95)) == 0.0


def test_the_rates_bound_holds_where_its_trials_are_independent() -> None:
    epsilon, each = 0.5, 1 / (1 + math.exp(-0.5))
    generator = np.random.default_rng(1)
    right, wrong = (generator.binomial(500, rate, 400) for rate in (each, 1 - each))
    found = rates_bound(right, 500, wrong, 500, 0.0, 0.95)
    assert (found > epsilon).mean() < 0.05
    assert np.median(found) > 0
