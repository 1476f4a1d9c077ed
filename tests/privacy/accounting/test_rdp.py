"""Renyi curves of Gaussian noise against integrals, and where they end."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from fedsilo.core.privacy_events import PrivacyEvent
from fedsilo.privacy.accounting.rdp import ORDERS, gaussian_curve, renyi_epsilon

DELTA = 1e-5


@pytest.mark.parametrize(
    ("order", "multiplier", "rate"), [(1.5, 1.0, 0.1), (8, 1.0, 0.01), (32, 2.0, 0.3), (5, 0.4, 0.2)]
)
def test_renyi_of_replacement_is_its_integral(order: float, multiplier: float, rate: float) -> None:
    shift = 1 / multiplier

    def integrand(x: float) -> float:
        upper = np.logaddexp(math.log1p(-rate), math.log(rate) - shift * x - shift**2 / 2)
        lower = np.logaddexp(math.log1p(-rate), math.log(rate) + shift * x - shift**2 / 2)
        return math.exp(order * upper + (1 - order) * lower - x * x / 2) / math.sqrt(2 * math.pi)

    middle = -order * shift
    moment = sum(
        quad(integrand, a, b, epsabs=0, epsrel=1e-11, limit=400)[0]
        for a, b in pairwise((-12 + 2 * middle, middle, 0, 12 + shift))
    )
    at = int(np.flatnonzero(order == ORDERS)[0])
    assert gaussian_curve(PrivacyEvent(multiplier, rate), "replace")[at] == pytest.approx(
        math.log(moment) / (order - 1), rel=1e-8
    )


@pytest.mark.parametrize(("multiplier", "rate"), [(3.0, 0.05), (40.0, 0.05), (40.0, 0.9)])
def test_orders_between_whole_ones_are_bounded_by_the_line_between_their_moments(
    multiplier: float, rate: float
) -> None:
    curve = gaussian_curve(PrivacyEvent(multiplier, rate), "zero_out")
    for order in (2.5, 4.1, 7.7):

        def integrand(x: float, order: float = order) -> float:
            ratio = rate * math.expm1(x / multiplier - 0.5 / multiplier**2)
            return math.expm1(order * math.log1p(ratio)) * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

        exact = math.log1p(quad(integrand, -12, 12, epsabs=0, epsrel=1e-9, limit=400)[0]) / (order - 1)
        found = curve[np.flatnonzero(np.isclose(order, ORDERS))[0]]
        assert exact <= found <= 1.1 * exact


@pytest.mark.parametrize(("multiplier", "rate"), [(1.0, 1e-6), (30.0, 1e-6), (1e3, 1e-3), (1e6, 0.01)])
def test_tiny_losses_do_not_vanish_in_rounding(multiplier: float, rate: float) -> None:
    """At order 2 the sum has one small term, which is known to all digits: logarithms of sums near 1 lose it."""
    exact = math.log1p(rate**2 * math.expm1(1 / multiplier**2))
    found = gaussian_curve(PrivacyEvent(multiplier, rate), "zero_out")[np.flatnonzero(ORDERS == 2)[0]]
    assert exact <= found <= exact + 1e-13


def test_of_no_renyi_bound_nothing_is_infinite() -> None:
    assert renyi_epsilon(np.full_like(ORDERS, np.inf), DELTA) == math.inf
    assert renyi_epsilon(np.zeros_like(ORDERS), DELTA) == 0
