"""The second opinion by opacus: near the closed form where that is known, and no bound where it has none."""

import math

import pytest

from fedsilo.core.privacy_events import DiscretePrivacyEvent, PrivacyEvent
from fedsilo.privacy.accounting.gaussian_releases import gaussian_epsilon
from fedsilo.privacy.accounting.opacus_check import describe_disagreement, opacus_epsilon

DELTA = 1e-5


@pytest.mark.parametrize(("multiplier", "count"), [(1.0, 1), (10.0, 100), (300.0, 100)])
def test_it_is_a_little_above_the_closed_form(multiplier: float, count: int) -> None:
    exact = gaussian_epsilon(math.sqrt(count) / multiplier, DELTA)
    assert exact <= opacus_epsilon([PrivacyEvent(multiplier, count=count)], DELTA, "zero_out") <= 1.4 * exact


def test_another_in_its_place_is_half_the_noise() -> None:
    replaced = opacus_epsilon([PrivacyEvent(4.0, count=9)], DELTA, "replace")
    assert replaced == opacus_epsilon([PrivacyEvent(2.0, count=9)], DELTA, "zero_out")


def test_where_opacus_has_no_bound_it_is_infinite() -> None:
    sampled, loud, coarse = PrivacyEvent(2.0, 0.1), PrivacyEvent(1e5), DiscretePrivacyEvent(0.1, 4, 10, 1.0)
    assert opacus_epsilon([sampled], DELTA, "replace") == math.inf
    assert opacus_epsilon([sampled], DELTA, "zero_out") < math.inf
    assert opacus_epsilon([loud], DELTA, "zero_out") == math.inf
    assert opacus_epsilon([coarse], DELTA, "zero_out") == math.inf


def test_a_disagreement_is_an_epsilon_above_the_other_bound_by_more_than_rounding() -> None:
    assert describe_disagreement(1.0, 0.99) == describe_disagreement(1.0, math.inf) == ""
    line = describe_disagreement(1.0, 0.9)
    assert "epsilon 1 is above" in line
    assert "0.9" in line
