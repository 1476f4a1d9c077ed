"""Owners of attributes, objects and pairs: what is dealt to them, with which other shifts, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedsilo.core import LabelShift
from fedsilo.core.errors import DataError
from fedsilo.data.datasets.emblems_pairs import EmblemsPairs
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.attributes import Attributes
from fedsilo.partitioning.shifts.label.objects import Objects
from fedsilo.partitioning.shifts.label.pairs import OwnedPairs
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal
from fedsilo.partitioning.shifts.quantity.sizes import ExplicitSizes

SHIFTS = [Attributes(), Objects(), OwnedPairs(), OwnedPairs(shared=0.3)]


@pytest.mark.parametrize("shift", SHIFTS)
def test_who_owns_what_is_drawn(shift: LabelShift, pair_splits: Any) -> None:
    images = pair_splits.images
    found = [[share.train.tolist() for share in pair_splits.split(images, shift, seed=seed)] for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("shift", SHIFTS)
def test_shifts_compose_with_domains_and_sizes(shift: LabelShift, pair_splits: Any) -> None:
    images = pair_splits.images
    shares = pair_splits.split(images, shift, 6, feature=Domains(), quantity=Lognormal(0.5))
    for share in shares:
        assert set(images.train.domains[share.train]) == {images.domains.index(share.domain)}
    part = {"Attributes": "attribute", "Objects": "object"}.get(type(shift).__name__, "label")
    for pair in zip(shares[::2], shares[1::2], strict=True):  # two clients in each domain
        both = pair_splits.overlaps(pair_splits.owned(images, pair, part))
        assert len(both) <= (round(116 * 0.3) if shift == SHIFTS[3] else 0)
    assert len({len(share.train) for share in shares}) > 2


def test_exact_sizes_are_met(pair_splits: Any) -> None:
    images = pair_splits.images
    shares = pair_splits.split(images, Objects(), quantity=ExplicitSizes(of=[50, 60, 70, 80]))
    assert [len(share.train) for share in shares] == [50, 60, 70, 80]


def test_a_client_without_test_images_of_its_own_gets_some_of_others(pair_splits: Any) -> None:
    images = EmblemsPairs(objects=4).load(0)
    assert images.pairs is not None
    images.test.labels[images.pairs.attribute[images.test.labels] == 0] = 2  # no test image of the first colour
    shares = pair_splits.split(images, Attributes(), 8)
    assert min(len(share.test) for share in shares) >= 1


def test_test_images_without_training_images_go_to_the_owner(pair_splits: Any) -> None:
    """A seen pair of an object that a client owns has no training image: after a long tail, or in a domain."""
    images = pair_splits.images
    assert images.pairs is not None
    gone = 5
    kept = replace(images, train=images.train.take(np.flatnonzero(images.train.labels != gone)))
    shares = pair_splits.split(kept, Objects())
    owner = [images.pairs.object[gone] in group for group in pair_splits.owned(kept, shares, "object")]
    assert [int((images.test.labels[share.test] == gone).sum()) for share in shares] == [6 * own for own in owner]


@pytest.mark.parametrize(
    ("shift", "clients", "facts"),
    [
        (Attributes(), 9, ["9 clients", "8 attributes", "at most 8"]),
        (Objects(), 25, ["25 clients", "24 objects"]),
        (OwnedPairs(shared=0.99), 4, ["4 clients", "1 pairs that are not shared"]),
    ],
)
def test_too_many_clients_are_refused(shift: LabelShift, clients: int, facts: list[str], pair_splits: Any) -> None:
    images = pair_splits.images
    with pytest.raises(DataError) as caught:
        pair_splits.split(images, shift, clients)
    for fact in ["partition.clients", *facts]:
        assert fact in str(caught.value)


def test_a_client_whose_words_have_too_few_images_is_named(pair_splits: Any) -> None:
    images = pair_splits.images
    with pytest.raises(DataError, match=r"fewer than 29 training images .* client \d+ \([a-z ]+\): \d+") as caught:
        pair_splits.split(images, Objects(), 24, min_train=29)
    assert "Use fewer clients" in str(caught.value)


@pytest.mark.parametrize("shift", SHIFTS)
def test_other_data_is_refused(shift: LabelShift, toy: Any, pair_splits: Any) -> None:
    with pytest.raises(DataError, match=r"needs attributes and objects, .* label shift 'classes'"):
        pair_splits.split(toy(train=60, test=60, classes=4), shift)
