"""Epsilon of many kinds of releases: agreement of accountants, monotony, adjacencies, extremes."""

import math
from itertools import pairwise, product

import numpy as np
import pytest

from fedsilo.core.errors import PrivacyBudgetError
from fedsilo.core.privacy_events import ADJACENCIES, Adjacency, AnyPrivacyEvent, DiscretePrivacyEvent, PrivacyEvent
from fedsilo.privacy.accounting.epsilon_bounds import epsilon, merge, quick_epsilon
from fedsilo.privacy.accounting.epsilon_curve import trace_epsilon
from fedsilo.privacy.accounting.gaussian_releases import gaussian_epsilon
from fedsilo.privacy.accounting.pld import loss_epsilon

DELTA = 1e-5
CALTECH = 32 / 413


def spent(*expenses: AnyPrivacyEvent, delta: float = DELTA, adjacency: Adjacency = "zero_out") -> float:
    return epsilon(expenses, delta, adjacency).epsilon


@pytest.mark.parametrize(("adjacency", "mu"), [("zero_out", 1.0), ("replace", 2.0)])
def test_everybody_in_every_release_is_the_closed_form(adjacency: Adjacency, mu: float) -> None:
    found = epsilon([PrivacyEvent(10.0, count=60), PrivacyEvent(10.0, count=40)], DELTA, adjacency)
    assert set(found.by_accountant) == {"closed form", "rdp"}
    assert found.epsilon == gaussian_epsilon(mu, DELTA)
    assert found.epsilon <= found.by_accountant["rdp"]


@pytest.mark.parametrize("adjacency", ADJACENCIES)
@pytest.mark.parametrize(("multiplier", "rate", "count"), [(1.1, 0.01, 1000), (10.5, CALTECH, 1300), (0.6, 0.004, 500)])
def test_losses_are_never_above_renyi_and_sampling_always_pays(
    multiplier: float, rate: float, count: int, adjacency: Adjacency
) -> None:
    bounds = epsilon([PrivacyEvent(multiplier, rate, count)], DELTA, adjacency).by_accountant
    assert bounds["pld"] <= bounds["rdp"] + 1e-3
    assert bounds["rdp"] <= bounds["without sampling"]


@pytest.mark.parametrize("adjacency", ADJACENCIES)
def test_a_rate_of_almost_one_is_a_rate_of_one(adjacency: Adjacency) -> None:
    bounds = epsilon([PrivacyEvent(2.0, 1 - 1e-9, 4)], DELTA, adjacency).by_accountant
    exact = spent(PrivacyEvent(2.0, 1.0, 4), adjacency=adjacency)
    assert bounds["without sampling"] == exact
    assert bounds["pld"] == pytest.approx(exact, rel=1e-3)
    assert bounds["rdp"] == pytest.approx(
        epsilon([PrivacyEvent(2.0, 1.0, 4)], DELTA, adjacency).by_accountant["rdp"], rel=1e-6
    )


def test_replacing_costs_more_than_leaving_out_and_at_most_as_much_as_twice_of_it() -> None:
    for multiplier in (0.8, 1.5, 6.0):
        release = PrivacyEvent(multiplier, 0.1, 50)
        left_out, replaced = (spent(release, adjacency=adjacency) for adjacency in ADJACENCIES)
        assert left_out < replaced
        # Leave one out, then put the other in: (2 epsilon, (1 + e^epsilon) delta).
        twice = 2 * spent(release, delta=DELTA / (1 + math.exp(2 * left_out)))
        assert replaced <= twice


@pytest.mark.parametrize("t", [0.3, 0.9, 1.0, 1.7, 6.0])
def test_opposite_contributions_are_the_worst_that_can_be_exchanged(t: float) -> None:
    """The pair that the accountants use dominates: E[(P - t Q)+] by quadrature in the plane."""
    rate, deviation = 0.3, 0.8
    axis = np.linspace(-9, 9, 361)
    plane = np.stack(np.meshgrid(axis, axis, indexing="ij"))

    def mixture(shift: tuple[float, float]) -> np.ndarray:
        at = np.array(shift).reshape(2, 1, 1) / deviation
        return np.exp(-(plane**2).sum(0) / 2) * (1 - rate) + rate * np.exp(-((plane - at) ** 2).sum(0) / 2)

    def divergence(u: tuple[float, float], v: tuple[float, float]) -> float:
        return float(np.maximum(mixture(u) - t * mixture(v), 0).sum() * (axis[1] - axis[0]) ** 2 / (2 * math.pi))

    worst = divergence((-1, 0), (1, 0))
    angles, lengths = (0.0, 0.7, 2.0, 3.0), (0.0, 0.5, 1.0)
    others = [(length * math.cos(angle), length * math.sin(angle)) for angle, length in product(angles, lengths)]
    assert all(divergence((-size, 0), other) <= worst + 1e-6 for size in lengths for other in others)
    left_out = max(divergence((1, 0), (0, 0)), divergence((0, 0), (1, 0)))
    assert all(max(divergence(one, (0, 0)), divergence((0, 0), one)) <= left_out + 1e-6 for one in others)


def test_epsilon_falls_with_noise_and_grows_with_releases_rate_and_smaller_delta() -> None:
    base = {"multiplier": 2.0, "rate": 0.05, "count": 100}
    changes = {"multiplier": (3.0, 2.0, 1.5, 1.0), "rate": (0.01, 0.05, 0.051, 0.2, 1.0), "count": (0, 1, 99, 100, 400)}
    for adjacency in ADJACENCIES:
        for name, values in changes.items():
            found = [spent(PrivacyEvent(**{**base, name: value}), adjacency=adjacency) for value in values]
            assert all(low < high for low, high in pairwise(found)), (name, found)
        by_delta = [
            spent(PrivacyEvent(**base), delta=delta, adjacency=adjacency) for delta in (1e-2, 1e-5, 1e-7, 1e-9, 1e-14)
        ]
        assert all(low < high for low, high in pairwise(by_delta))


def test_kinds_of_releases_add_up() -> None:
    several = [
        PrivacyEvent(2.0, 0.05, 50),
        PrivacyEvent(3.0, 0.1, 50),
        PrivacyEvent(20.0, 1.0, 4),
        PrivacyEvent(math.inf, 0.3, 9),
    ]
    found = epsilon(several, DELTA)
    assert set(found.by_accountant) == {"without sampling", "pld", "rdp"}
    assert all(found.epsilon > spent(expense) for expense in several)
    # One kind split in two is that kind, up to the grid.
    assert loss_epsilon(
        [PrivacyEvent(2.0, 0.05, 50), PrivacyEvent(2.0, 0.0500001, 50)], DELTA, "zero_out"
    ) == pytest.approx(loss_epsilon([PrivacyEvent(2.0, 0.05, 100)], DELTA, "zero_out"), rel=1e-4)


def test_equal_releases_are_counted_together() -> None:
    one = PrivacyEvent(2.0, 0.05)
    assert merge([one] * 100 + [PrivacyEvent(1.0, count=0)]) == [PrivacyEvent(2.0, 0.05, 100)]
    assert spent(*[one] * 100) == spent(PrivacyEvent(2.0, 0.05, 100))
    assert spent() == 0.0


@pytest.mark.parametrize("adjacency", ADJACENCIES)
@pytest.mark.parametrize("multiplier", [0.0, 1e-200, 1e-3, 0.05, 0.3, 1e6, 1e200, math.inf])
def test_extreme_releases_get_a_number_at_once(multiplier: float, adjacency: Adjacency) -> None:
    for rate, count in product((1.0, 1 - 1e-12, 1e-6, 1e-300), (0, 1, 10**6, 10**12)):
        found = spent(PrivacyEvent(multiplier, rate, count), adjacency=adjacency)
        assert found >= 0
        assert count or not found
        assert (
            found == quick_epsilon([PrivacyEvent(multiplier, rate, count)], DELTA, adjacency) or found > 0 or rate < 1
        )
    assert spent(PrivacyEvent(0.0, 0.5), adjacency=adjacency) == math.inf
    assert spent(PrivacyEvent(0.0, 1e-6), adjacency=adjacency) == 0  # it is in the release with less than delta
    assert spent(PrivacyEvent(multiplier, 0.5), delta=1e-200, adjacency=adjacency) >= 0


def test_epsilon_over_releases_ends_where_the_plan_does() -> None:
    curve = trace_epsilon(lambda made: [PrivacyEvent(10.0, CALTECH, made)], 200, DELTA, points=6)
    assert [point.releases for point in curve] == [1, 8, 32, 72, 128, 200]
    assert curve[-1].spent == epsilon([PrivacyEvent(10.0, CALTECH, 200)], DELTA)
    assert [point.releases for point in trace_epsilon(lambda made: [PrivacyEvent(10.0, count=made)], 1, DELTA)] == [1]


@pytest.mark.parametrize(("make", "words"), [
    (lambda: PrivacyEvent(-1.0), "multiplier must be a number >= 0, got -1.0"),
    (lambda: PrivacyEvent(math.nan), "multiplier must be"),
    (lambda: PrivacyEvent(1.0, 0.0), r"rate must be in \(0, 1\], got 0.0"),
    (lambda: PrivacyEvent(1.0, 1.0, -1), "count must be a whole number from 0 to 1e15, got -1"),
    (lambda: DiscretePrivacyEvent(0.0, 1, 1, 1.0), "deviation must be a number > 0"),
    (lambda: DiscretePrivacyEvent(1.0, 0, 1, 1.0), "shares must be a whole number >= 1"),
    (lambda: DiscretePrivacyEvent(1.0, 1, 0, 1.0), "dimension must be"),
    (lambda: DiscretePrivacyEvent(1.0, 1, 1, math.inf), "sensitivity must be"),
    (lambda: epsilon([], 0.0), r"delta: must be in \(0, 1\), got 0.0"),
    (lambda: epsilon([], 1e-5, "add"), "adjacency: must be one of zero_out, replace, got 'add'"),
])  # fmt: skip
def test_what_cannot_be_is_said(make, words: str) -> None:
    with pytest.raises(PrivacyBudgetError, match=words):
        make()
