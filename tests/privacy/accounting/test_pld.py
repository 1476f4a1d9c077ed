"""Privacy loss distributions against the closed form."""

import math

import pytest

from fedsilo.core.privacy_events import Adjacency, PrivacyEvent
from fedsilo.privacy.accounting.gaussian_releases import gaussian_epsilon
from fedsilo.privacy.accounting.pld import loss_epsilon

DELTA = 1e-5


@pytest.mark.parametrize(("adjacency", "factor"), [("zero_out", 1), ("replace", 2)])
@pytest.mark.parametrize(("multiplier", "count"), [(1.0, 1), (10.0, 100), (339.3, 100), (3393.0, 100), (0.5, 3)])
def test_losses_agree_with_the_closed_form_where_both_apply(
    multiplier: float, count: int, adjacency: Adjacency, factor: int
) -> None:
    exact = gaussian_epsilon(factor * math.sqrt(count) / multiplier, DELTA)
    assert exact - 1e-9 <= loss_epsilon([PrivacyEvent(multiplier, count=count)], DELTA, adjacency) <= exact * (1 + 3e-4)
