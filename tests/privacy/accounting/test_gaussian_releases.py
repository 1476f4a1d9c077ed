"""The closed form: against published values, high precision, and itself backwards."""

import math

import mpmath
import pytest

from fedsilo.privacy.accounting.gaussian_releases import gaussian_delta, gaussian_epsilon, gaussian_mu

NOMINAL = (0.01, 0.05, 0.1, 0.2, 0.4)


def precise_delta(epsilon: float, mu: float) -> mpmath.mpf:
    with mpmath.workdps(60):
        e, m = mpmath.mpf(epsilon), mpmath.mpf(mu)
        return mpmath.ncdf(m / 2 - e / m) - mpmath.exp(e) * mpmath.ncdf(-m / 2 - e / m)


def published_deviation(nominal: float) -> float:
    """DP-FPL's noise, over the sensitivity that it assumes: 100 rounds, delta 1e-5."""
    return math.sqrt(100 * math.log(1e5)) / nominal


@pytest.mark.parametrize(("epsilon", "mu"), [
    (1e-4, 1e-4), (1e-4, 1e-2), (1e-3, 3e-4), (0.1, 0.03), (1.0, 0.25), (1.0, 5.0), (4.377178, 1.0), (30.0, 4.0),
    (300.0, 15.0), (1000.0, 40.0), (1000.0, 60.0), (0.0, 1e-3),
])  # fmt: skip
def test_delta_is_the_formula_in_sixty_digits(epsilon: float, mu: float) -> None:
    assert gaussian_delta(epsilon, mu) == pytest.approx(float(precise_delta(epsilon, mu)), rel=1e-9)


def test_unit_mu_costs_the_known_epsilon() -> None:
    assert gaussian_epsilon(1.0, 1e-5) == pytest.approx(4.377178, abs=5e-7)


@pytest.mark.parametrize("delta", [1e-12, 1e-5, 0.1])
@pytest.mark.parametrize("epsilon", [1e-4, 1e-3, 0.03, 1.0, 17.0, 300.0, 1e3])
def test_mu_and_epsilon_are_inverse_and_both_on_the_safe_side(epsilon: float, delta: float) -> None:
    mu = gaussian_mu(epsilon, delta)
    assert gaussian_delta(epsilon, mu) <= delta
    assert gaussian_delta(epsilon, mu * (1 + 1e-9)) > delta
    assert gaussian_epsilon(mu, delta) == pytest.approx(epsilon, rel=1e-10)
    assert gaussian_delta(gaussian_epsilon(mu, delta), mu) <= delta


@pytest.mark.parametrize(
    ("mu", "epsilon"), [(0.0, 0.0), (1e-200, 0.0), (1e-9, 0.0), (1e200, math.inf), (math.inf, math.inf)]
)
def test_extreme_mu_gives_a_number(mu: float, epsilon: float) -> None:
    assert gaussian_epsilon(mu, 1e-5) == epsilon


@pytest.mark.parametrize("mu", [0.99e6, 1.01e6, 1e9])
def test_beyond_all_practice_epsilon_stays_an_upper_bound_and_close(mu: float) -> None:
    assert mu * mu / 2 < gaussian_epsilon(mu, 1e-5) < mu * mu / 2 + 5 * mu


@pytest.mark.parametrize(("row", "factor", "expected"), [
    ("A", 1, (0.0069, 0.0419, 0.0898, 0.1915, 0.4076)),
    ("B", 2, (0.0151, 0.0898, 0.1915, 0.4076, 0.8687)),
    ("C", math.sqrt(3), (0.0128, 0.0767, 0.1637, 0.3484, 0.7422)),
    ("D", 2 * math.sqrt(3), (0.0279, 0.1637, 0.3484, 0.7422, 1.591)),
    ("E", 2 * 32, (0.681, 4.09, 9.30, 22.5, 59.8)),
    ("F", 2 * 32 * math.sqrt(3), (1.24, 7.81, 18.6, 48.4, 140)),
])  # fmt: skip
def test_what_the_noise_of_dp_fpl_is_worth(row: str, factor: float, expected: tuple[float, ...]) -> None:
    for nominal, value in zip(NOMINAL, expected, strict=True):
        epsilon = gaussian_epsilon(factor * 10 / published_deviation(nominal), 1e-5)
        digits = len(f"{value}".replace(".", "").lstrip("0"))
        assert epsilon == pytest.approx(value, rel=0.51 * 10 ** (1 - digits)), row


def test_the_noise_that_dp_fpl_would_have_needed() -> None:
    needed = [10 / gaussian_mu(nominal, 1e-5) for nominal in NOMINAL]
    assert needed == pytest.approx([2437.9, 577.7, 307.5, 163.0, 86.3], abs=0.051)
