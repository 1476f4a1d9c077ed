"""Sums of discrete Gaussian shares: the published bound, the comparison with Gaussians, and exact small cases."""

import math
from dataclasses import replace

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
from dp_accounting.rdp import RdpAccountant
from numpy.typing import NDArray

from fedsilo.core.privacy_events import Adjacency, AnyPrivacyEvent, DiscretePrivacyEvent, PrivacyEvent
from fedsilo.privacy.accounting.discrete_sum import (
    amplify,
    approximate_by_gaussian,
    discrete_curve,
    release_rdp,
    tau,
)
from fedsilo.privacy.accounting.epsilon_bounds import epsilon
from fedsilo.privacy.accounting.gaussian_releases import gaussian_epsilon
from fedsilo.privacy.accounting.rdp import ORDERS, renyi_epsilon

DELTA, DIMENSION = 1e-5, 8192
SUPPORT = np.arange(-400, 401)


def in_ring(
    multiplier: float, clip: float, shares: int = 10, rounding: bool = True, **more: float
) -> DiscretePrivacyEvent:
    """A plan whose whole noise is `multiplier * clip`, with the rounded norm of Kairouz et al. (beta e^-1/2)."""
    root = math.sqrt(DIMENSION)
    norm = math.sqrt(clip**2 + DIMENSION / 4 + clip + root / 2) if rounding else clip
    return DiscretePrivacyEvent(multiplier * clip / math.sqrt(shares), shares, DIMENSION, norm, **more)  # type: ignore[arg-type]


def pmf(deviation: float, centre: float = 0.0) -> NDArray[np.float64]:
    weights = np.exp(-((SUPPORT - centre) ** 2) / (2 * deviation**2))
    return np.asarray(weights / weights.sum())


def folded(deviation: float, shares: int) -> NDArray[np.float64]:
    total = pmf(deviation)
    for _ in range(shares - 1):
        total = np.convolve(total, pmf(deviation), mode="same")
    return total


@pytest.mark.parametrize(("bits", "expected"), [(4, 3.46), (8, 1.032), (12, 1.0128), (16, 1.01256)])
def test_the_published_bound_over_the_scale(bits: int, expected: float) -> None:
    found = renyi_epsilon(discrete_curve(in_ring(40.0, 2.0**bits, count=100), "zero_out"), DELTA)
    digits = len(f"{expected}") - 2
    assert found == pytest.approx(expected, abs=0.7 * 10**-digits)


def test_with_many_steps_the_sum_costs_what_a_gaussian_does_to_four_digits() -> None:
    plan = in_ring(40.0, 2.0**16, rounding=False, count=100)
    for adjacency, mu in (("zero_out", 0.25), ("replace", 0.5)):
        exact = gaussian_epsilon(mu, DELTA)
        found = epsilon([plan], DELTA, adjacency)  # type: ignore[arg-type]
        assert exact <= found.by_accountant["closed form"] <= exact * (1 + 1e-4)
    sampled = epsilon([replace(plan, rate=0.08)], DELTA)
    like = epsilon([PrivacyEvent(40.0, 0.08, 100)], DELTA)
    assert like.epsilon <= sampled.epsilon <= like.epsilon * (1 + 1e-4)


def test_comparison_is_never_worse_than_the_direct_bound_and_both_are_reported() -> None:
    plan = in_ring(20.0, 2.0**10, count=30)
    bounds = epsilon([plan], DELTA).by_accountant
    direct = renyi_epsilon(discrete_curve(plan, "zero_out"), DELTA)
    assert bounds["closed form"] < bounds["rdp"] <= direct
    assert direct == pytest.approx(bounds["rdp"], rel=1e-3)


@pytest.mark.parametrize(("deviation", "shares"), [(1.0, 2), (1.0, 5), (1.1, 3)])
def test_folded_shares_are_within_half_tau_of_one_discrete_gaussian(deviation: float, shares: int) -> None:
    """Step 1 of the comparison, where its bound is large enough to be seen."""
    near = slice(385, 416)
    apart = np.abs(np.log(folded(deviation, shares)[near] / pmf(deviation * math.sqrt(shares))[near])).max()
    bound = tau(DiscretePrivacyEvent(deviation, shares, 1, 1.0)) / 2
    assert 0.003 * bound < apart <= bound


def test_small_shares_pay_for_not_being_one_discrete_gaussian() -> None:
    plan = DiscretePrivacyEvent(1.0, 3, 100, 2.0)
    off = 10 * (math.exp(-(math.pi**2)) + math.exp(-4 * math.pi**2 / 3))
    assert tau(plan) == pytest.approx(off, rel=1e-12)
    assert tau(replace(plan, shares=1)) == 0
    moved = 2 / math.sqrt(3)
    for order, expected in ((2.0, (moved + 10 * off) ** 2), (64.0, 32 * moved**2 + 100 * off)):
        assert release_rdp(np.array([order]), plan, "zero_out") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rounded", [0.5, 0.7])
def test_a_gaussian_rounded_by_a_discrete_gaussian_is_one(rounded: float) -> None:
    """Step 2 of the comparison, by quadrature over the Gaussian."""
    total, spread = rounded + 0.2, np.arange(-40, 40, 0.01)
    density = np.exp(-(spread**2) / (2 * (total - rounded)))
    integers = np.arange(-40, 41)
    kernel = np.exp(-((integers[:, None] - spread) ** 2) / (2 * rounded))
    kernel /= kernel.sum(axis=0)
    mass = kernel @ density
    near = np.abs(integers) <= 5
    exact = np.exp(-(integers**2) / (2 * total))
    apart = np.abs(np.log(mass[near] / mass.sum() / (exact[near] / exact.sum()))).max()
    bound = 5 * math.exp(-2 * math.pi**2 * rounded)
    assert 0.01 * bound < apart <= bound


@pytest.mark.parametrize(("deviation", "shares", "moved"), [(3.0, 1, 2), (2.0, 4, 3), (6.0, 2, 10), (2.5, 3, 1)])
@pytest.mark.parametrize("rate", [1.0, 0.2])
def test_what_is_claimed_of_a_single_number_holds_exactly(
    deviation: float, shares: int, moved: int, rate: float
) -> None:
    """Exact delta of one release with one coordinate, from the pmf of the sum, in both directions and adjacencies."""
    base = folded(deviation, shares)
    up, down = np.roll(base, moved), np.roll(base, -moved)
    mixed = {"out": base, "up": (1 - rate) * base + rate * up, "down": (1 - rate) * base + rate * down}
    plan = DiscretePrivacyEvent(deviation, shares, 1, float(moved), rate)
    pairs: dict[Adjacency, tuple[tuple[str, str], ...]] = {
        "zero_out": (("up", "out"), ("out", "up")),
        "replace": (("up", "down"),),
    }
    for adjacency, neighbours in pairs.items():
        for name, bound in epsilon([plan], 1e-4, adjacency).by_accountant.items():
            for one, other in neighbours:
                delta = np.maximum(mixed[one] - math.exp(min(bound, 500.0)) * mixed[other], 0).sum()
                assert delta <= 1e-4 * (1 + 1e-9), (name, adjacency, one)


def test_noise_too_small_for_a_comparison_gets_the_direct_bound_only() -> None:
    for plan in (in_ring(1e-4, 2.0**4), DiscretePrivacyEvent(0.4, 100, 10, 1.0)):
        assert approximate_by_gaussian([plan]) is None
        found = epsilon([plan, PrivacyEvent(1.0)], DELTA)
        assert set(found.by_accountant) == {"rdp"}
        assert found.epsilon > gaussian_epsilon(1.0, DELTA)


def test_the_slack_of_small_noise_is_charged() -> None:
    plan = DiscretePrivacyEvent(1.5, 4, 50, 1.0, count=10)
    comparison = approximate_by_gaussian([plan])
    assert comparison is not None
    assert comparison.slack == pytest.approx(10 * 50 * tau(plan) / 2, rel=1e-9)
    assert comparison.slack > 1e-7
    bare = gaussian_epsilon(math.sqrt(10) / comparison.expenses[0].multiplier, DELTA)
    assert epsilon([plan], DELTA).by_accountant["closed form"] > bare + 2 * comparison.slack


@pytest.mark.parametrize(("rate", "multiplier"), [(0.01, 1.0), (0.2, 3.0), (0.9, 0.8)])
def test_amplification_is_the_formula_and_above_the_exact_gaussian(rate: float, multiplier: float) -> None:
    orders = [2, 3, 5, 16, 24]
    rdp = np.arange(25) / (2 * multiplier**2)
    exact = RdpAccountant(orders).compose(PoissonSampledDpEvent(rate, GaussianDpEvent(multiplier))).rdp
    for order, below in zip(orders, exact, strict=True):
        terms = (
            (3 if l > 2 else 1) * math.comb(order, l) * (1 - rate) ** (order - l) * rate**l * math.exp((l - 1) * rdp[l])
            for l in range(2, order + 1)
        )
        moment = (1 - rate) ** (order - 1) * (order * rate - rate + 1) + sum(terms)
        found = amplify(order, rdp, rate)
        assert found == pytest.approx(math.log(moment) / (order - 1), rel=1e-9)
        assert found >= below - 1e-12


def test_sampling_is_credited_directly_only_where_the_theorem_is_stated() -> None:
    plan = in_ring(5.0, 2.0**12, rate=0.05)
    whole = replace(plan, rate=1.0)
    assert (discrete_curve(plan, "zero_out") <= discrete_curve(whole, "zero_out")).all()
    assert discrete_curve(plan, "zero_out")[ORDERS == 8] < 0.1 * discrete_curve(whole, "zero_out")[ORDERS == 8]
    assert (discrete_curve(plan, "replace") == discrete_curve(whole, "replace")).all()
    assert release_rdp(np.array([2.0]), plan, "replace") == pytest.approx(
        4 * release_rdp(np.array([2.0]), plan, "zero_out")
    )


def test_more_shares_more_noise_or_fewer_releases_cost_less() -> None:
    base = in_ring(10.0, 2.0**10, rate=0.1, count=50)

    def spent(*expenses: AnyPrivacyEvent) -> float:
        return epsilon(expenses, DELTA).epsilon

    for cheaper in (
        replace(base, shares=11),
        replace(base, deviation=1.1 * base.deviation),
        replace(base, count=40),
        replace(base, sensitivity=0.9 * base.sensitivity),
        replace(base, rate=0.09),
    ):
        assert spent(cheaper) < spent(base)
    assert spent(base, base) == spent(replace(base, count=100)) > spent(base)
    assert spent(replace(base, count=0)) == 0
