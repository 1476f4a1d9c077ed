"""Emblems as pairs, split by a label shift of compositions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from fedsilo.core import LabelledImages, LabelShift, Share
from fedsilo.data.datasets.emblems_pairs import EmblemsPairs
from fedsilo.partitioning.dealing.seen_pairs import split_seen_pairs
from fedsilo.partitioning.rules.composed import ComposedPartition


def no_look(examples: Any) -> Any:
    raise AssertionError("nothing here asks for features")


class PairSplits:
    """Emblems as pairs, and functions that split them and look at the splits."""

    images = EmblemsPairs(test_per_pair_and_domain=2).load(0)

    def split(
        self, images: LabelledImages, label: LabelShift, clients: int = 4, seed: int = 0, **keys: Any
    ) -> list[Share]:
        """Shares of a composed partition, with the unseen pairs dealt."""

        def by_rule(part: LabelledImages) -> list[Share]:
            return ComposedPartition(clients, label, **keys).split(part, np.random.default_rng(seed), no_look)

        return split_seen_pairs(images, by_rule, seed)

    def owned(self, images: LabelledImages, shares: Sequence[Share], part: str) -> list[set[int]]:
        """What the training images of each client are of: attributes, objects or labels."""
        assert images.pairs is not None
        of_label = np.arange(len(images.classes)) if part == "label" else getattr(images.pairs, part)
        return [set(of_label[images.train.labels[share.train]].tolist()) for share in shares]

    def overlaps(self, groups: Sequence[set[int]]) -> set[int]:
        """What is in more than one group."""
        return {each for n, group in enumerate(groups) for other in groups[:n] for each in group & other}


@pytest.fixture(scope="session")
def pair_splits() -> PairSplits:
    """Emblems as pairs, to be split."""
    return PairSplits()
