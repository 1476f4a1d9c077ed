"""Label shifts of compositions: disjoint attributes, disjoint objects, pairs of one client and pairs of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedsilo.core import LabelledImages, LabelShift, Share
from fedsilo.core.errors import DataError
from fedsilo.data.datasets.emblems_pairs import EmblemsPairs
from fedsilo.partitioning.dealing.seen_pairs import split_seen_pairs
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.attributes import Attributes
from fedsilo.partitioning.shifts.label.objects import Objects
from fedsilo.partitioning.shifts.label.pairs import OwnedPairs
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal
from fedsilo.partitioning.shifts.quantity.sizes import ExplicitSizes

SHIFTS = [Attributes(), Objects(), OwnedPairs(), OwnedPairs(shared=0.3)]


@pytest.fixture(scope="module")
def images() -> LabelledImages:
    return EmblemsPairs(test_per_pair_and_domain=2).load(0)


def split(images: LabelledImages, label: LabelShift, clients: int = 4, seed: int = 0, **keys: Any) -> list[Share]:
    def by_rule(part: LabelledImages) -> list[Share]:
        return ComposedPartition(clients, label, **keys).split(part, np.random.default_rng(seed), no_look)

    return split_seen_pairs(images, by_rule, seed)


def no_look(examples: Any) -> Any:
    raise AssertionError("nothing here asks for features")


def owned(images: LabelledImages, shares: Sequence[Share], part: str) -> list[set[int]]:
    """What the training images of each client are of: attributes, objects or labels."""
    assert images.pairs is not None
    of_label = np.arange(len(images.classes)) if part == "label" else getattr(images.pairs, part)
    return [set(of_label[images.train.labels[share.train]].tolist()) for share in shares]


def overlaps(groups: Sequence[set[int]]) -> set[int]:
    return {each for n, group in enumerate(groups) for other in groups[:n] for each in group & other}


@pytest.mark.parametrize(("shift", "part", "count"), [(Attributes(), "attribute", 8), (Objects(), "object", 24)])
def test_words_are_disjoint_and_all_images_are_dealt(shift: LabelShift, part: str, count: int, images: Any) -> None:
    shares = split(images, shift)
    groups = owned(images, shares, part)
    assert not overlaps(groups)
    assert [len(group) for group in groups] == [count // 4] * 4
    assert sum(len(share.train) for share in shares) == len(images.train)
    other = "object" if part == "attribute" else "attribute"
    assert min(len(group) for group in owned(images, shares, other)) > len(images.domains)


@pytest.mark.parametrize("shared", [0.0, 0.25, 1.0])
def test_the_shared_part_of_the_pairs_is_with_all_clients(shared: float, images: LabelledImages) -> None:
    shares = split(images, OwnedPairs(shared=shared))
    groups = owned(images, shares, "label")
    common = set.intersection(*groups)
    assert len(common) == round(116 * shared)
    assert overlaps(groups) == common
    assert set.union(*groups) == set(range(116))
    for label in common:
        counts = [(images.train.labels[share.train] == label).sum() for share in shares]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("shift", SHIFTS)
def test_who_owns_what_is_drawn(shift: LabelShift, images: LabelledImages) -> None:
    found = [[share.train.tolist() for share in split(images, shift, seed=seed)] for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("shift", SHIFTS)
def test_shifts_compose_with_domains_and_sizes(shift: LabelShift, images: LabelledImages) -> None:
    shares = split(images, shift, 6, feature=Domains(), quantity=Lognormal(0.5))
    for share in shares:
        assert set(images.train.domains[share.train]) == {images.domains.index(share.domain)}
    part = {"Attributes": "attribute", "Objects": "object"}.get(type(shift).__name__, "label")
    for pair in zip(shares[::2], shares[1::2], strict=True):  # two clients in each domain
        both = overlaps(owned(images, pair, part))
        assert len(both) <= (round(116 * 0.3) if shift == SHIFTS[3] else 0)
    assert len({len(share.train) for share in shares}) > 2


def test_exact_sizes_are_met(images: LabelledImages) -> None:
    shares = split(images, Objects(), quantity=ExplicitSizes(of=[50, 60, 70, 80]))
    assert [len(share.train) for share in shares] == [50, 60, 70, 80]


def test_a_client_without_test_images_of_its_own_gets_some_of_others() -> None:
    images = EmblemsPairs(objects=4).load(0)
    assert images.pairs is not None
    images.test.labels[images.pairs.attribute[images.test.labels] == 0] = 2  # no test image of the first colour
    shares = split(images, Attributes(), 8)
    assert min(len(share.test) for share in shares) >= 1


def test_test_images_without_training_images_go_to_the_owner(images: LabelledImages) -> None:
    """A seen pair of an object that a client owns has no training image: after a long tail, or in a domain."""
    assert images.pairs is not None
    gone = 5
    kept = replace(images, train=images.train.take(np.flatnonzero(images.train.labels != gone)))
    shares = split(kept, Objects())
    owner = [images.pairs.object[gone] in group for group in owned(kept, shares, "object")]
    assert [int((images.test.labels[share.test] == gone).sum()) for share in shares] == [6 * own for own in owner]


@pytest.mark.parametrize(
    ("shift", "clients", "facts"),
    [
        (Attributes(), 9, ["9 clients", "8 attributes", "at most 8"]),
        (Objects(), 25, ["25 clients", "24 objects"]),
        (OwnedPairs(shared=0.99), 4, ["4 clients", "1 pairs that are not shared"]),
    ],
)
def test_too_many_clients_are_refused(shift: LabelShift, clients: int, facts: list[str], images: Any) -> None:
    with pytest.raises(DataError) as caught:
        split(images, shift, clients)
    for fact in ["partition.clients", *facts]:
        assert fact in str(caught.value)


def test_a_client_whose_words_have_too_few_images_is_named(images: LabelledImages) -> None:
    with pytest.raises(DataError, match=r"fewer than 29 training images .* client \d+ \([a-z ]+\): \d+") as caught:
        split(images, Objects(), 24, min_train=29)
    assert "Use fewer clients" in str(caught.value)


@pytest.mark.parametrize("shift", SHIFTS)
def test_other_data_is_refused(shift: LabelShift, toy: Any) -> None:
    with pytest.raises(DataError, match=r"needs attributes and objects, .* label shift 'classes'"):
        split(toy(train=60, test=60, classes=4), shift)
