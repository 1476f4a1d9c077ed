"""Pairs of one client, and pairs of all."""

from __future__ import annotations

from typing import Any

import pytest

from fedsilo.partitioning.shifts.label.pairs import OwnedPairs


@pytest.mark.parametrize("shared", [0.0, 0.25, 1.0])
def test_the_shared_part_of_the_pairs_is_with_all_clients(shared: float, pair_splits: Any) -> None:
    images = pair_splits.images
    shares = pair_splits.split(images, OwnedPairs(shared=shared))
    groups = pair_splits.owned(images, shares, "label")
    common = set.intersection(*groups)
    assert len(common) == round(116 * shared)
    assert pair_splits.overlaps(groups) == common
    assert set.union(*groups) == set(range(116))
    for label in common:
        counts = [(images.train.labels[share.train] == label).sum() for share in shares]
        assert max(counts) - min(counts) <= 1
