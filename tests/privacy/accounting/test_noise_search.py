"""Noise for a target: never too little, hardly ever more than needed, and a word where there is none."""

import math

import pytest

from fedsilo.core.errors import PrivacyBudgetError
from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent, DiscretePrivacyEvent, PrivacyEvent
from fedsilo.privacy.accounting.epsilon_bounds import epsilon
from fedsilo.privacy.accounting.gaussian_releases import gaussian_mu
from fedsilo.privacy.accounting.noise_search import LARGEST, SMALLEST, solve_multiplier

DELTA = 1e-5


def in_ring(noise: float) -> list[AnyPrivacyEvent]:
    return [DiscretePrivacyEvent(noise * 2.0**12 / math.sqrt(8), 8, 1000, 2.0**12, 0.1, 40)]


@pytest.mark.parametrize(("target", "plan", "adjacency"), [
    (0.01, lambda noise: [PrivacyEvent(noise, 1.0, 100)], "zero_out"),
    (1.0, lambda noise: [PrivacyEvent(noise, 1.0, 100)], "replace"),
    (300.0, lambda noise: [PrivacyEvent(noise, 1.0, 100)], "zero_out"),
    (0.05, lambda noise: [PrivacyEvent(noise, 0.05, 200)], "zero_out"),
    (2.0, lambda noise: [PrivacyEvent(noise, 0.05, 200)], "replace"),
    pytest.param(20.0, lambda noise: [PrivacyEvent(noise, 0.05, 200)], "zero_out", marks=pytest.mark.slow),
    pytest.param(
        1.0, lambda noise: [PrivacyEvent(noise, 0.05, 200), PrivacyEvent(2 * noise, 1.0, 3), PrivacyEvent(200.0)],
        "zero_out",
        marks=pytest.mark.slow,
    ),
    pytest.param(1.0, in_ring, "zero_out", marks=pytest.mark.slow),
    # The quick bound is off by a factor of 80 here: the bracket of the tight one has to be moved down.
    pytest.param(0.01, lambda noise: [PrivacyEvent(noise, 1e-6, 10**6)], "zero_out", marks=pytest.mark.slow),
])  # fmt: skip
def test_there_and_back(target: float, plan, adjacency: Adjacency) -> None:
    found = solve_multiplier(target, DELTA, plan, adjacency)
    assert epsilon(plan(found), DELTA, adjacency).epsilon <= target
    assert epsilon(plan(found * (1 - 2e-4)), DELTA, adjacency).epsilon > target


@pytest.mark.parametrize("target", [1e-3, 0.4, 30.0])
def test_without_sampling_it_is_the_inverse_of_the_closed_form(target: float) -> None:
    found = solve_multiplier(target, DELTA, lambda noise: [PrivacyEvent(noise, 1.0, 7)])
    assert found == pytest.approx(math.sqrt(7) / gaussian_mu(target, DELTA), rel=1e-4)


def test_both_ends_of_the_range() -> None:
    assert solve_multiplier(1.0, DELTA, lambda noise: [PrivacyEvent(noise, count=0)]) == SMALLEST
    near = solve_multiplier(1.2, DELTA, lambda noise: [PrivacyEvent(noise, 1.0, 10**9)])
    assert 0.9 * LARGEST < near < LARGEST


@pytest.mark.parametrize(("target", "plan", "words"), [
    (1e-9, lambda noise: [PrivacyEvent(noise, 1.0, 10**9)], r"epsilon 1e-09: cannot be reached: .* still spend 1\.19"),
    (0.5, lambda noise: [PrivacyEvent(noise), PrivacyEvent(1.0)], r"epsilon 0.5: cannot be reached: .* spend 4\.377"),
    (0.0, lambda noise: [PrivacyEvent(noise)], "epsilon: must be a number > 0, got 0.0"),
    (math.nan, lambda noise: [PrivacyEvent(noise)], "epsilon: must be a number > 0, got nan"),
])  # fmt: skip
def test_what_cannot_be_reached_is_said(target: float, plan, words: str) -> None:
    with pytest.raises(PrivacyBudgetError, match=words):
        solve_multiplier(target, DELTA, plan)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "rate", "count", "adjacency"), [
    (1e-4, 1e-6, 100, "replace"),
    (0.01, 1e-6, 10**6, "zero_out"),
])  # fmt: skip
def test_a_search_ends_soon_where_epsilon_jumps(target: float, rate: float, count: int, adjacency: Adjacency) -> None:
    """The tight accountant's grid depends on the multiplier, in powers of two: epsilon jumps across the target."""
    tried: list[float] = []
    found = solve_multiplier(
        target,
        DELTA,
        lambda noise: [PrivacyEvent(noise, rate, count)],
        adjacency,
        lambda noise, spent: tried.append(noise),
    )
    assert epsilon([PrivacyEvent(found, rate, count)], DELTA, adjacency).epsilon <= target
    assert any(found * (1 - 2e-4) <= noise < found for noise in tried)
    assert len(tried) < 28


def test_a_target_that_the_least_noise_keeps_is_refused_and_says_what_that_spends() -> None:
    with pytest.raises(PrivacyBudgetError, match=r"epsilon 1e\+12: protects nothing: .* spends 5\.043e\+05"):
        solve_multiplier(1e12, DELTA, lambda noise: [PrivacyEvent(noise)])


def test_the_search_is_short() -> None:
    calls: list[float] = []

    def plan(noise: float) -> list[AnyPrivacyEvent]:
        calls.append(noise)
        return [PrivacyEvent(noise, 0.05, 200)]

    solve_multiplier(1.0, DELTA, plan)
    assert len(calls) < 40
