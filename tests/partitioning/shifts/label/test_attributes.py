"""Disjoint attributes."""

from __future__ import annotations

from typing import Any

from fedsilo.partitioning.shifts.label.attributes import Attributes


def test_attributes_are_disjoint_and_all_images_are_dealt(pair_splits: Any) -> None:
    images = pair_splits.images
    shares = pair_splits.split(images, Attributes())
    groups = pair_splits.owned(images, shares, "attribute")
    assert not pair_splits.overlaps(groups)
    assert [len(group) for group in groups] == [2] * 4
    assert sum(len(share.train) for share in shares) == len(images.train)
    assert min(len(group) for group in pair_splits.owned(images, shares, "object")) > 3
