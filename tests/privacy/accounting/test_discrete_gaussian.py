"""The exact sampler: its distribution, its bits, and that no decision depends on floats."""

import hashlib
import math
import statistics
from decimal import Context, Decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from fedsilo.core.errors import PrivacyBudgetError
from fedsilo.privacy.accounting.discrete_gaussian import POWERS, DiscreteGaussian, _exponential, _Uniform


def key(number: int) -> bytes:
    return hashlib.sha256(f"test {number}".encode()).digest()


def expected(deviation: float, values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Exact probabilities, normalised over all integers that matter."""
    far = int(12 * deviation) + 12
    everything = np.exp(-(np.arange(-far, far + 1) ** 2) / (2 * deviation**2)).sum()
    return np.asarray(np.exp(-(values**2) / (2 * deviation**2)) / everything)


def surprise(draws: NDArray[np.int64], deviation: float) -> float:
    """The chi-square test's p value against the exact probabilities; rare values are put together."""
    edge = int(np.flatnonzero(len(draws) * expected(deviation, np.arange(0, 400)) >= 10)[-1])
    values = np.arange(-edge, edge + 1)
    counts = np.array([(draws == value).sum() for value in values] + [(np.abs(draws) > edge).sum()])
    probabilities = expected(deviation, values)
    wanted = len(draws) * np.append(probabilities, max(1 - probabilities.sum(), 1e-12))
    if wanted[-1] < 5:
        counts, wanted = np.append(counts[:-2], counts[-2:].sum()), np.append(wanted[:-2], wanted[-2:].sum())
    return float(chi2.sf(((counts - wanted) ** 2 / wanted).sum(), len(wanted) - 1))


@pytest.mark.parametrize("deviation", [0.3, 0.5, 0.999, 1.0, 1.7, 2.0, 5.3, 12.0])
def test_frequencies_are_the_exact_probabilities(deviation: float) -> None:
    draws = DiscreteGaussian(deviation).sample(200_000, key(1))
    assert surprise(draws, deviation) > 1e-3


def test_the_test_of_frequencies_sees_a_deviation_that_is_off_by_a_hundredth() -> None:
    assert surprise(DiscreteGaussian(1.717).sample(200_000, key(1)), 1.7) < 1e-4


@pytest.mark.parametrize("deviation", [30.5, 1000.0, 2.0**17 + 0.1, 2.0**28])
def test_moments_and_shape_of_wide_ones_are_those_of_the_normal(deviation: float) -> None:
    draws = DiscreteGaussian(deviation).sample(200_000, key(2)) / deviation
    error = 4 / math.sqrt(len(draws))
    assert abs(draws.mean()) < error
    assert abs(draws.var() - 1) < error * math.sqrt(2)
    assert abs((draws**4).mean() - 3) < error * math.sqrt(96)
    normal = statistics.NormalDist()
    for quantile in (0.01, 0.2, 0.5, 0.77, 0.999):
        assert (
            abs((draws < normal.inv_cdf(quantile)).mean() - quantile)
            < error * math.sqrt(quantile * (1 - quantile)) + 0.4 / deviation
        )


def test_every_residue_of_a_wide_one_is_as_likely() -> None:
    """A step of U or V that were missed would show in the low digits."""
    draws = DiscreteGaussian(700.0).sample(140_000, key(3))
    for modulus in (2, 7, 701):
        counts = np.bincount(draws % modulus, minlength=modulus)
        wanted = len(draws) / modulus
        assert chi2.sf(((counts - wanted) ** 2 / wanted).sum(), modulus - 1) > 1e-3


@pytest.mark.parametrize("deviation", [0.01, 0.3, 1.0, 3.7, 1000.3, 2.0**28])
def test_the_exact_way_decides_as_the_quick_one(deviation: float) -> None:
    """A margin of 2 leaves every decision to exact arithmetic: the same draws, bit for bit."""
    exact = DiscreteGaussian(deviation, margin=2.0).sample(400, key(4))
    assert (exact == DiscreteGaussian(deviation).sample(400, key(4))).all()


def test_the_exact_way_alone_has_the_exact_probabilities() -> None:
    assert surprise(DiscreteGaussian(1.2, margin=2.0).sample(4000, key(5)), 1.2) > 1e-3


@pytest.mark.parametrize("margin", [2.0**-20, 2.0**-10, 0.05])
def test_no_margin_changes_a_draw(margin: float) -> None:
    plain = DiscreteGaussian(20.0).sample(3000, key(6))
    assert (DiscreteGaussian(20.0, margin).sample(3000, key(6)) == plain).all()


@pytest.mark.parametrize("deviation", [0.01, 0.7, 1.0, 1234.5, 2.0**20 + 0.3, 2.0**28])
def test_floats_are_off_by_far_less_than_the_margin(deviation: float) -> None:
    """The quick way's probability beside the same in fifty digits, over all sizes that matter."""
    sampler = DiscreteGaussian(deviation)
    scale = sampler._scale
    rng = np.random.default_rng(0)
    uniform = rng.integers(0, scale, 150)
    size = uniform + rng.integers(0, 9, 150) * scale
    centre = deviation * deviation / scale
    floats = np.exp(-(uniform / scale + np.square((size - centre) / deviation) / 2))
    with mpmath.workdps(50):
        for u, x, probability in zip(uniform.tolist(), size.tolist(), floats.tolist(), strict=True):
            exponent = sampler._exponent(u, x)
            exact = mpmath.exp(-mpmath.mpf(exponent.numerator) / exponent.denominator)
            assert abs(exact - probability) < sampler.margin / 16
        for power, value in zip(range(45, 0, -1), POWERS.tolist(), strict=True):
            assert abs(mpmath.exp(-power) - value) < sampler.margin / 16


def test_what_floats_cannot_tell_is_left_open() -> None:
    sampler = DiscreteGaussian(5.0)
    uniform, size = np.array([2]), np.array([8])
    probability = math.exp(-float(sampler._exponent(2, 8)))
    apart = {0.0: -1, 2.0**-46: -1, -(2.0**-46): -1, 2.0**-42: 0, -(2.0**-42): 1}
    for distance, decided in apart.items():
        word = np.array([int((probability + distance) * 2**64)], dtype=np.uint64)
        assert sampler._accepted(word, uniform, size) == decided


def test_every_open_decision_has_further_bits_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[int] = []

    class Recorded(_Uniform):
        def __init__(self, word: int, key: bytes, number: int) -> None:
            numbers.append(number)
            super().__init__(word, key, number)

    monkeypatch.setattr("fedsilo.privacy.accounting.discrete_gaussian._Uniform", Recorded)
    monkeypatch.setattr("fedsilo.privacy.accounting.discrete_gaussian.TAKEN", 1.0)  # several blocks
    DiscreteGaussian(0.5, margin=2.0).sample(400, key(9))
    assert len(numbers) > 1000
    assert len(set(numbers)) == len(numbers)
    assert 0 not in numbers


def test_exact_comparisons_take_further_bits_until_they_are_settled() -> None:
    """A uniform whose first 64 bits are those of exp(-1): only later bits can tell."""
    context = Context(prec=60)
    first = int(Fraction(context.exp(Decimal(-1))) * 2**64)
    outcomes = [_Uniform(first, key(7), number).below(Fraction(1)) for number in range(300)]
    rest = float(Fraction(context.exp(Decimal(-1))) * 2**64 - first)
    assert sum(outcomes) / 300 == pytest.approx(rest, abs=4 * math.sqrt(rest * (1 - rest) / 300))
    assert _Uniform(first - 1, key(7), 0).below(Fraction(1))
    assert not _Uniform(first + 1, key(7), 0).below(Fraction(1))
    assert _Uniform(2**64 - 1, key(7), 0).below(Fraction(0))
    assert not _Uniform(1, key(7), 0).below(Fraction(10**9))
    assert _Uniform(0, key(7), 3).geometric() >= 44


def test_exponentials_are_enclosed_closely() -> None:
    for exponent in (
        Fraction(0),
        Fraction(1, 3),
        Fraction(40),
        Fraction(7, 10**9),
        Fraction(int("123456789" * 5), 10**44),
    ):
        low, high = _exponential(exponent, 30)
        with mpmath.workdps(60):
            exact = mpmath.exp(-mpmath.mpf(exponent.numerator) / exponent.denominator)
            bounds = [mpmath.mpf(bound.numerator) / bound.denominator for bound in (low, high)]
            assert bounds[0] < exact < bounds[1]
        assert high - low < Fraction(1, 10**27) * high


def test_one_key_is_one_sequence_whatever_its_length_and_another_key_another() -> None:
    sampler = DiscreteGaussian(100.0)
    long = sampler.sample(5000, key(8))
    for count in (0, 1, 63, 4999):
        assert (sampler.sample(count, key(8)) == long[:count]).all()
    assert long.dtype == np.int64
    draws = np.stack([DiscreteGaussian(1000.0).sample(40_000, key(number)) for number in range(10, 16)])
    assert np.abs(np.corrcoef(draws) - np.eye(6)).max() < 5 / math.sqrt(40_000)
    shifted = np.corrcoef(draws[0, 1:], draws[0, :-1])[0, 1]
    assert abs(shifted) < 5 / math.sqrt(40_000)


@pytest.mark.parametrize(("deviation", "first"), [
    (0.5, [0, 0, 0, 1, 0, -1, 1, 1]),
    (1.0, [1, 0, 0, 0, -1, 2, -1, 2]),
    (17.25, [9, -2, 0, 0, 29, 12, -19, 25]),
    (65536.0, [60533, -101901, -14669, 4021, 27314, 125415, -74933, 63357]),
    (268435456.0, [85430240, -373035811, -80767969, 222838739, 69061677, 448650507, 235210167, 320072206]),
])  # fmt: skip
def test_the_same_key_gives_the_same_bits_on_every_machine(deviation: float, first: list[int]) -> None:
    assert DiscreteGaussian(deviation).sample(8, bytes(range(32))).tolist() == first


@pytest.mark.parametrize("deviation", [0.0, -1.0, 0.009, 2.0**28 + 1, math.inf, math.nan])
def test_a_deviation_out_of_range_is_refused(deviation: float) -> None:
    with pytest.raises(PrivacyBudgetError, match=r"deviation must be from 0\.01 to 268435456"):
        DiscreteGaussian(deviation)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(PrivacyBudgetError, match="a key has 32 bytes, got 16"):
        DiscreteGaussian(1.0).sample(1, bytes(16))
