"""The common factor of column scales, against bisection in fp64."""

import pytest
import torch

from fedsilo.models.prompts.column_scale import below_cap, carried_below, common_factor, misses

TOTAL = torch.tensor([[0.25, 1.0, 4.0, 0.5], [2.0, 3.0, 0.125, 0.25]])


@pytest.mark.parametrize("factor", [None, torch.tensor([4.0, 0.4])])
def test_rows_below_their_cap_are_marked_counted_and_summed(factor: torch.Tensor | None) -> None:
    scaled = TOTAL if factor is None else TOTAL * factor[:, None]
    below = scaled < 1
    assert torch.equal(below_cap(TOTAL, torch.empty_like(TOTAL), factor), below.float())
    count, mass = carried_below(TOTAL, factor, torch.empty(2, 2, 4))
    assert count.tolist() == (~below).sum(1).tolist()
    torch.testing.assert_close(mass, (scaled * below).sum(1))


def test_a_miss_is_more_than_a_part_of_what_rows_below_their_cap_must_carry() -> None:
    """Wanted are 3 of 8 patches, 2 are at their cap: 1 is left to carry, and a hundredth of it may be missed."""
    count, below = torch.full((4,), 2.0), torch.tensor([1.0, 1.009, 0.991, 1.011])
    assert misses(count, below, 3.0, 0.01, 8).tolist() == [False, False, False, True]


@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_the_factor_is_that_of_bisection(part: float) -> None:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([0.01, 0.5, 2.0, 6.0], dtype=torch.float64)[:, None]
    total = (spread * torch.randn(4, 50, generator=generator, dtype=torch.float64)).exp()
    mass = 50 * part
    low, high = torch.full((4,), -60.0).double(), torch.full((4,), 60.0).double()
    for _ in range(100):
        middle = (low + high) / 2
        little = (total * middle.exp()[:, None]).clamp(max=1).sum(1) < mass
        low, high = torch.where(little, middle, low), torch.where(little, high, middle)
    found = common_factor(total, mass, 1e-12, torch.empty(2, 4, 50, dtype=torch.float64))
    torch.testing.assert_close(found, low.exp(), rtol=1e-9, atol=0)
