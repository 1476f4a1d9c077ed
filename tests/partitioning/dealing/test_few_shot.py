import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Examples, LabelledImages, Share
from fedsilo.partitioning.dealing.few_shot import draw_shots
from fedsilo.partitioning.manifest import Manifest, freeze
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.rules.domain_split import DomainSplit
from fedsilo.partitioning.rules.pathological import Pathological
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.feature.mixture import Mixture
from fedsilo.partitioning.shifts.label.classes import Classes
from fedsilo.partitioning.shifts.label.coarse_dirichlet import CoarseDirichlet
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.label.iid import Iid
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal

RULES = {
    "iid": ComposedPartition(4, Iid(), shots=3),
    "dirichlet": ComposedPartition(4, Dirichlet(), shots=3),
    "classes": ComposedPartition(4, Classes(), shots=3),
    "coarse_dirichlet": ComposedPartition(4, CoarseDirichlet(), shots=3),
    "domains": ComposedPartition(feature=Domains(), shots=3),
    "domains and dirichlet": ComposedPartition(4, Dirichlet(), Domains(), shots=3),
    "mixture and sizes": ComposedPartition(4, Dirichlet(), Mixture(), Lognormal(), shots=3),
    "pathological": Pathological(4, shots=3),
    "domain_split": DomainSplit(2, shots=3),
}


def blank(i):
    return Image.new("RGB", (1, 1))


@pytest.fixture
def images():
    """200 training images of 12 classes in no order, some classes rare, in two domains; 60 test images."""
    generator = np.random.default_rng(4)
    chances = np.arange(1, 13) / np.arange(1, 13).sum()

    def examples(size, split):
        labels = np.concatenate([np.arange(12), generator.choice(12, size - 12, p=chances)])
        names = tuple(f"{split}{i}" for i in range(size))
        return Examples(generator.permutation(labels), np.arange(size) % 2, blank, names)

    train, test = examples(200, "train"), examples(60, "test")
    classes = tuple(f"class {i}" for i in range(12))
    return LabelledImages(classes, ("x", "y"), "a {}", train, test, groups=(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3))


def split(rule, images, seed=0):
    return rule.split(images, np.random.default_rng(seed), no_look)


def no_look(examples):
    raise AssertionError("nothing here asks for features")


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("fixed", [None, 2023])
def test_every_partition_can_have_shots(rule, fixed, images):
    rule = replace(rule, shots_fixed_draw=fixed)
    whole = split(rule, images)
    few = draw_shots(images, whole, rule, seed=0)
    for before, after in zip(whole, few, strict=True):
        assert set(after.train) <= set(before.train)
        assert (np.diff(after.train) > 0).all()
        assert after.train.dtype == np.int64
        assert np.array_equal(after.test, before.test)
        count, had = (np.bincount(images.train.labels[share.train], minlength=12) for share in (after, before))
        assert np.array_equal(count, np.minimum(had, 3))


def test_no_shots_changes_nothing(images):
    whole = split(ComposedPartition(3), images)
    assert all(a is b for a, b in zip(whole, draw_shots(images, whole, ComposedPartition(3), 0), strict=True))


def test_the_seed_draws_the_shots_and_a_fixed_draw_does_not_hear_it(images):
    def drawn(seed, fixed):
        rule = ComposedPartition(4, Classes(fixed_draw=2023), shots=2, shots_fixed_draw=fixed)
        shares = draw_shots(images, split(rule, images, seed), rule, seed)
        return freeze(images, shares, {}, 0).split_sha256

    assert drawn(1, None) == drawn(1, None) != drawn(2, None)
    assert drawn(1, 2023) == drawn(2, 2023) != drawn(1, 2024)


def test_the_fixed_draw_is_what_python_s_random_draws(images):
    rule = Pathological(5, shots=2, shots_fixed_draw=2023)
    shares = draw_shots(images, split(rule, images), rule, seed=0)

    labels = images.train.labels.tolist()
    before = random.getstate()
    random.seed(2023)
    order = list(range(12))
    random.shuffle(order)
    owned = [order[0:2], order[2:4], order[4:6], order[6:8], order[8:12]]  # round(12 / 5) is 2
    expected = []
    for classes in owned:
        mine = []
        for label in dict.fromkeys(labels):  # in order of first appearance
            if label in classes:
                items = [position for position, other in enumerate(labels) if other == label]
                mine += random.sample(items, 2) if len(items) >= 2 else items
        expected.append(sorted(mine))
    random.setstate(before)
    assert [share.train.tolist() for share in shares] == expected
    assert [set(images.train.labels[share.train]) for share in shares] == [set(classes) for classes in owned]


def test_python_s_global_stream_is_left_alone(images):
    before = random.getstate()
    rule = Pathological(5, shots=2, shots_fixed_draw=2023)
    draw_shots(images, split(rule, images), rule, seed=0)
    assert random.getstate() == before


def test_a_manifest_keeps_the_shots(images, tmp_path):
    rule = ComposedPartition(4, Dirichlet(), shots=2)
    few = draw_shots(images, split(rule, images), rule, seed=3)
    freeze(images, few, {"name": "dirichlet", "shots": 2}, 3).write(tmp_path / "partition.json")
    again = Manifest.read(tmp_path / "partition.json")
    assert again.rule["shots"] == 2
    assert [share.train.tolist() for share in again.shares()] == [share.train.tolist() for share in few]


def test_a_domain_is_named_when_the_shots_left_only_one(images):
    whole = split(ComposedPartition(12, Classes()), images)
    images.test.domains[:] = 0
    rule = ComposedPartition(12, Classes(), shots=1)
    for share in draw_shots(images, whole, rule, seed=0):
        found = {*images.train.domains[share.train], *images.test.domains[share.test]}
        assert share.domain == (images.domains[found.pop()] if len(found) == 1 else "")


def test_every_client_draws_for_itself(images):
    (share,) = split(ComposedPartition(1), images)
    one, other = draw_shots(images, [share, share], ComposedPartition(2, shots=3), seed=0)
    assert not np.array_equal(one.train, other.train)


@pytest.mark.parametrize("fixed", [None, 2023])
def test_a_client_without_training_images_stays_without(fixed, images):
    empty = np.zeros(0, dtype=np.int64)
    shares = [Share(np.arange(50), np.arange(5)), Share(empty, np.arange(5, 9))]
    few = draw_shots(images, shares, ComposedPartition(2, shots=3, shots_fixed_draw=fixed), seed=0)
    assert len(few[0].train) > 3
    assert (len(few[1].train), few[1].train.dtype) == (0, np.int64)
