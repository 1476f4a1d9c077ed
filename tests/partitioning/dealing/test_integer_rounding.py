import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.partitioning.dealing.integer_rounding import (
    apportion,
    apportion_at_least,
    apportion_within,
    draw_log_dirichlet,
    fit_margins,
    raise_to_least,
)

quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)
BETAS = st.sampled_from([1e-9, 1e-4, 0.01, 0.3, 1.0, 100.0])


@quick
@given(total=st.integers(0, 500), clients=st.integers(1, 40), seed=st.integers(0, 99))
def test_apportioned_numbers_differ_from_their_quotas_by_less_than_one(total, clients, seed):
    generator = np.random.default_rng(seed)
    weights = generator.random(clients) ** 8 + 1e-9
    counts = apportion(total, weights, generator)
    assert counts.sum() == total
    assert np.abs(counts - total * weights / weights.sum()).max() < 1


def test_ties_are_broken_by_chance():
    found = {tuple(apportion(1, np.ones(3), np.random.default_rng(seed))) for seed in range(20)}
    assert len(found) == 3


@quick
@given(minimum=st.integers(0, 3), spare=st.integers(0, 50), clients=st.integers(1, 20), seed=st.integers(0, 99))
def test_every_client_gets_the_least_and_the_sum_is_kept(minimum, spare, clients, seed):
    generator = np.random.default_rng(seed)
    counts = apportion_at_least(minimum, minimum * clients + spare, generator.random(clients) ** 20 + 1e-12, generator)
    assert counts.min() >= minimum
    assert counts.sum() == minimum * clients + spare


@quick
@given(capacities=st.lists(st.integers(0, 20), min_size=1, max_size=8), seed=st.integers(0, 99), data=st.data())
def test_nothing_is_filled_beyond_its_capacity(capacities, seed, data):
    total, generator = data.draw(st.integers(0, sum(capacities))), np.random.default_rng(seed)
    counts = apportion_within(np.array(capacities), total, generator.random(len(capacities)) + 1e-9, generator)
    assert counts.sum() == total
    assert (counts <= capacities).all()
    assert counts.min() >= 0


def test_what_fits_is_in_proportion():
    counts = apportion_within(np.array([100, 100, 5]), 60, np.array([1.0, 1.0, 1.0]), np.random.default_rng(0))
    assert counts.tolist() in ([28, 27, 5], [27, 28, 5])


@quick
@given(classes=st.integers(1, 8), clients=st.integers(1, 12), beta=BETAS, seed=st.integers(0, 99))
def test_fitted_numbers_have_exactly_these_sums_whatever_the_likings(classes, clients, beta, seed):
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, 30, classes) * generator.integers(0, 2, classes)
    columns = np.bincount(generator.integers(0, generator.integers(1, clients + 1), rows.sum()), minlength=clients)
    liking = draw_log_dirichlet(classes, clients, beta, generator)
    liking[generator.random(liking.shape) < 0.2] = -np.inf
    liking[0] = np.maximum(liking[0], -5.0)  # every client likes something
    counts = fit_margins(liking, rows, columns, generator)
    assert counts.dtype == np.int64
    assert counts.min() >= 0
    assert np.array_equal(counts.sum(axis=1), rows)
    assert np.array_equal(counts.sum(axis=0), columns)


def test_fitted_numbers_are_the_nearest_in_relative_entropy():
    """Against the plain alternating scaling of Deming and Stephan, on so many examples that rounding is nothing."""
    generator = np.random.default_rng(0)
    liking = draw_log_dirichlet(4, 5, 1.0, generator)
    rows, columns = np.array([4, 3, 2, 1]) * 100_000, np.array([1, 1, 3, 3, 2]) * 100_000
    plain = np.exp(liking)
    for _ in range(2_000):
        plain *= (rows / plain.sum(axis=1))[:, None]
        plain *= columns / plain.sum(axis=0)
    assert np.abs(fit_margins(liking, rows, columns, generator) - plain).max() < 3


def test_sums_that_the_likings_have_already_change_nothing():
    wanted = np.array([[30, 0, 10], [0, 20, 20]])
    with np.errstate(divide="ignore"):
        found = fit_margins(np.log(wanted), wanted.sum(axis=1), wanted.sum(axis=0), np.random.default_rng(0))
    assert np.array_equal(found, wanted)


def test_who_is_in_want_takes_of_its_favourite_class_from_who_has_most():
    counts = np.array([[9, 5, 0], [1, 3, 0]])
    liking = np.log([[0.1, 0.1, 0.2], [0.1, 0.1, 0.8]])
    assert raise_to_least(counts, np.array([1, 1, 4]), liking).tolist() == [[9, 5, 0], [0, 0, 4]]
    assert raise_to_least(counts, np.array([1, 1, 5]), liking).tolist() == [[8, 5, 1], [0, 0, 4]]


def test_a_total_that_is_just_enough_gives_everybody_exactly_the_least():
    least = np.array([2, 5, 1])
    assert raise_to_least(np.array([[8, 0, 0]]), least, np.zeros((1, 3))).tolist() == [[2, 5, 1]]


@pytest.mark.parametrize("beta", [0.001, 0.1, 2.0])
def test_logarithms_are_of_the_dirichlet_distribution(beta):
    """Against gamma variates divided by their sum, by the mean and the variance of a component."""
    draws = np.exp(draw_log_dirichlet(20_000, 4, beta, np.random.default_rng(0)))
    assert np.allclose(draws.sum(axis=1), 1.0)
    assert np.allclose(draws.mean(axis=0), 0.25, atol=0.015)
    assert np.isclose(draws.var(), 3 / (16 * (4 * beta + 1)), rtol=0.03)


def test_so_small_a_beta_underflows_nowhere():
    logs = draw_log_dirichlet(50, 30, 1e-9, np.random.default_rng(0))
    assert np.isfinite(logs).all()
    assert (np.sort(logs, axis=1)[:, -1] == 0).all()
