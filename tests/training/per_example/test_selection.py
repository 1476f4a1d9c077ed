from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedsilo.training.per_example.selection import select


def rows(*sizes: float) -> Tensor:
    """(1, K, 2) rows of the given sizes in the direction (0.6, 0.8)."""
    return torch.tensor(sizes, dtype=torch.float64)[None, :, None] * torch.tensor([0.6, 0.8], dtype=torch.float64)


@pytest.mark.parametrize(
    ("tolerance", "kept", "moved"),
    [
        (0.0, [1, 1, 0, 1, 1], 0.0),
        (0.09, [1, 1, 0, 1, 1], 0.0),
        (0.1, [0, 1, 0, 1, 1], 0.1),
        (0.3, [0, 1, 0, 1, 0], 0.3),
        (0.59, [0, 1, 0, 1, 0], 0.3),
        (0.6, [0, 1, 0, 0, 0], 0.6),
        (0.99, [0, 1, 0, 0, 0], 0.6),
    ],
)
def test_as_few_rows_are_kept_as_the_tolerance_allows(tolerance: float, kept: list[int], moved: float) -> None:
    found = select(rows(1, 4, 0, 3, 2), tolerance + 1e-12 * (tolerance > 0))  # 1e-12: sums of decimals are not exact
    assert found.kept.int().tolist() == [kept]
    assert found.moved.tolist() == pytest.approx([moved], abs=1e-9)


def test_what_is_dropped_is_spread_over_what_is_kept() -> None:
    given_rows = rows(1, -4, 0, 3, 2)
    pairs, kept = select(given_rows, 0.31).part(slice(0, 1), given_rows)
    assert pairs.classes.tolist() == [1, 3]
    assert pairs.counts == [2]
    assert torch.allclose(kept, rows(-2.5, 4.5)[0])
    assert torch.allclose(kept.sum(0), given_rows[0].sum(0))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=12),
    st.floats(0, 0.95),
)
def test_the_share_that_moved_is_within_the_tolerance_and_no_fewer_rows_would_do(
    sizes: list[float], tolerance: float
) -> None:
    found = select(rows(*sizes), tolerance)
    assert float(found.moved) <= tolerance + 1e-9
    kept = [size for size, keeps in zip(sizes, found.kept[0].tolist(), strict=True) if keeps]
    dropped = sum(sizes) - sum(kept)
    if kept and min(kept) > 1e-6 * sum(sizes):
        assert dropped + min(kept) > tolerance * sum(sizes) * (1 - 1e-9)


def test_selection_of_an_example_does_not_depend_on_its_batch_mates() -> None:
    generator = torch.Generator().manual_seed(0)
    cotangents = torch.randn(9, 30, 64, generator=generator) * torch.rand(9, 30, 1, generator=generator) ** 6
    together = select(cotangents, 0.1)
    for number in range(9):
        alone = select(cotangents[number : number + 1], 0.1)
        assert torch.equal(alone.kept[0], together.kept[number])
        assert torch.equal(alone.moved[0], together.moved[number])
        pairs, kept = together.part(slice(number, number + 1), cotangents)
        _, kept_alone = alone.part(slice(0, 1), cotangents[number : number + 1])
        assert len(pairs.classes) == int(alone.kept.sum())
        assert torch.equal(kept, kept_alone)


def test_rows_of_zeros_are_never_kept() -> None:
    found = select(torch.zeros(2, 3, 4), 0.0)
    assert not found.kept.any()
    assert found.moved.tolist() == [0, 0]


@pytest.mark.parametrize("tolerance", [0.0, 0.5])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_example_that_is_not_finite_keeps_its_rows_to_be_noticed(bad: float, tolerance: float) -> None:
    cotangents = torch.ones(2, 3, 4)
    cotangents[0, 1, 2] = bad
    found = select(cotangents, tolerance)
    assert found.kept[0].all()
    assert int(found.kept[1].sum()) == (2 if tolerance else 3)
