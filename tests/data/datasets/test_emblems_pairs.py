"""Emblems as compositions: labels, pictures and splits agree."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from fedsilo.core import LabelledImages
from fedsilo.core.errors import DataError
from fedsilo.data.datasets.emblems_pairs import EmblemsPairs
from fedsilo.data.emblems.words import CLASSES, COLOURS, DOMAINS, TEXTURES


@pytest.fixture(scope="module")
def images() -> LabelledImages:
    return EmblemsPairs().load(0)


@pytest.mark.parametrize(("attribute", "words"), [("colour", COLOURS), ("texture", TEXTURES)])
def test_every_emblem_has_the_attribute_and_the_class_of_its_label(attribute: str, words: tuple[str, ...]) -> None:
    images = EmblemsPairs(attribute=attribute, objects=7, domains=("photo", "neon")).load(3)
    assert images.validation is not None
    for part in (images.train, images.validation, images.test):
        for place, emblem in enumerate(part.fetch.emblems):
            assert images.classes[part.labels[place]] == f"{words[getattr(emblem, attribute)]} {CLASSES[emblem.label]}"
            assert images.domains[part.domains[place]] == DOMAINS[emblem.domain]


def test_sixty_percent_of_the_pairs_are_seen(images: LabelledImages) -> None:
    pairs = images.pairs
    assert pairs is not None
    assert images.template == "a picture of a {}."
    assert (len(pairs), pairs.seen.sum()) == (192, 116)
    assert (pairs.test & ~pairs.seen).sum() == (pairs.validation & ~pairs.seen).sum() == 38
    assert not (pairs.test & pairs.validation & ~pairs.seen).any()
    for numbers, words in ((pairs.attribute, pairs.attributes), (pairs.object, pairs.objects)):
        assert np.bincount(numbers[pairs.seen], minlength=len(words)).min() >= 2


def test_counts_are_those_of_the_keys() -> None:
    keys: dict[str, Any] = {"train_per_pair_and_domain": 3, "validation_per_pair_and_domain": 2}
    images = EmblemsPairs(objects=6, **keys).load(0)
    assert images.pairs is not None
    assert images.validation is not None
    seen = images.pairs.seen
    for part, candidates, each in (
        (images.train, seen, 3), (images.validation, images.pairs.validation, 2), (images.test, images.pairs.test, 1)
    ):  # fmt: skip
        counts = np.zeros((len(seen), 3), dtype=int)
        np.add.at(counts, (part.labels, part.domains), 1)
        assert (counts == np.where(candidates, each, 0)[:, None]).all()


def test_no_picture_occurs_twice(images: LabelledImages) -> None:
    assert images.validation is not None
    digests = images.train.digests + images.validation.digests + images.test.digests
    assert len(set(digests)) == len(digests)
    copy = pickle.loads(pickle.dumps(images.test))
    assert copy.fetch(7).tobytes() == images.test.fetch(7).tobytes()


def test_a_picture_does_not_depend_on_the_other_pairs(images: LabelledImages) -> None:
    other = EmblemsPairs(unseen_validation=0.1).load(0)
    assert len(set(other.train.digests) & set(images.train.digests)) > 300


def test_no_validation_image_is_possible() -> None:
    images = EmblemsPairs(objects=5, validation_per_pair_and_domain=0).load(0)
    assert images.validation is None
    assert any("no validation image" in line for line in images.notices)


def test_open_world_has_all_pairs(images: LabelledImages) -> None:
    opened = EmblemsPairs(objects=5, unseen_validation=0.0, world="open").load(0)
    assert opened.pairs is not None
    assert len(opened.classes) == 40
    assert opened.pairs.test.all()


@pytest.mark.parametrize(
    ("keys", "fact"),
    [
        ({"objects": 2}, "objects: 2"),
        ({"domains": ("photo", "oil")}, "'oil'"),
        ({"domains": ("photo", "photo")}, "twice"),
        ({"unseen_test": 0.9}, "unseen_validation, unseen_test"),
        ({"train_per_pair_and_domain": 0}, "train_per_pair_and_domain"),
        ({"validation_per_pair_and_domain": -1}, "validation_per_pair_and_domain"),
    ],
)
def test_impossible_keys_are_named(keys: dict[str, Any], fact: str) -> None:
    with pytest.raises(DataError) as caught:
        EmblemsPairs(**keys).load(0)
    assert fact in str(caught.value)
