import numpy as np
import pytest

from fedsilo.partitioning.shifts.quantity.dirichlet import DirichletSizes
from fedsilo.partitioning.shifts.quantity.equal import Equal
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal
from fedsilo.partitioning.shifts.quantity.natural import Natural
from fedsilo.partitioning.shifts.quantity.power_law import PowerLaw
from fedsilo.partitioning.shifts.quantity.sizes import ExplicitSizes


def drawn(shift, clients, seed=0):
    return shift.weights(clients, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "shift",
    [
        Equal(),
        Lognormal(),
        Lognormal(1e6),
        PowerLaw(),
        PowerLaw(1e6),
        DirichletSizes(),
        DirichletSizes(1e-9),
        ExplicitSizes([3]),
    ],
    ids=str,
)
@pytest.mark.parametrize("clients", [1, 2, 50])
def test_every_weight_is_above_0_and_finite(shift, clients):
    weights = drawn(shift, clients)
    assert weights.shape == (clients,)
    assert np.isfinite(weights).all()
    assert weights.min() > 0
    assert np.array_equal(weights, drawn(shift, clients))


def test_natural_has_no_weights_and_equal_has_ones():
    assert drawn(Natural(), 5) is None
    assert drawn(Equal(), 5).tolist() == [1.0] * 5


@pytest.mark.parametrize("sigma", [0.0, 0.5, 2.0])
def test_logarithms_of_lognormal_sizes_have_this_spread(sigma):
    assert np.isclose(np.log(drawn(Lognormal(sigma), 5_000)).std(), sigma, rtol=0.05)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.5])
def test_the_nth_largest_of_a_power_law_has_its_nth_power(exponent):
    weights = drawn(PowerLaw(exponent), 20)
    assert np.allclose(np.sort(weights)[::-1], np.arange(1, 21) ** -exponent)
    assert exponent == 0.0 or not np.array_equal(weights, drawn(PowerLaw(exponent), 20, seed=1))


@pytest.mark.parametrize("beta", [0.3, 3.0])
def test_dirichlet_sizes_have_the_spread_of_the_distribution(beta):
    weights = np.stack([drawn(DirichletSizes(beta), 10, seed) for seed in range(2_000)])
    assert np.allclose(weights.sum(axis=1), 1.0)
    assert np.isclose(weights.var(), 0.09 / (10 * beta + 1), rtol=0.05)


def test_one_size_is_for_all():
    assert drawn(ExplicitSizes([7]), 3).tolist() == drawn(ExplicitSizes([7, 7, 7]), 3).tolist() == [7.0] * 3
