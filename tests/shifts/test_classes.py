import random

import numpy as np
import pytest

from fedsilo.errors import DataError
from fedsilo.partitions.composed import Composed
from fedsilo.shifts.label.classes import Classes


def split(label, images, clients, seed=0, **keys):
    return Composed(clients, label, **keys).split(images, np.random.default_rng(seed), no_look)


def no_look(examples):
    raise AssertionError("nothing here asks for features")


def group_sizes(images, shares):
    return [len(set(images.train.labels[share.train])) for share in shares]


@pytest.mark.parametrize(
    ("classes", "remainder", "expected"),
    [
        (37, "last", [4] * 9 + [1]),
        (102, "last", [10] * 9 + [12]),
        (47, "last", [5] * 9 + [2]),
        (37, "spread", [4] * 7 + [3] * 3),
        (100, "spread", [10] * 10),
    ],
)
def test_ten_clients_own_groups_of_these_sizes(classes, remainder, expected, toy):
    images = toy(train=classes * 60, test=classes * 60, classes=classes)
    shares = split(Classes(remainder=remainder), images, 10)
    assert group_sizes(images, shares) == expected


def test_a_remainder_of_nothing_is_refused_with_numbers(toy):
    with pytest.raises(DataError, match=r"'last' gives 2 of 15 classes to each client and nothing to the last of 10"):
        split(Classes(remainder="last"), toy(train=900, test=900, classes=15), 10)


def test_a_client_without_test_images_is_named_with_its_classes(toy):
    images = toy(train=100, test=100, classes=5)
    images.test.labels[images.test.labels == 4] = 0
    with pytest.raises(
        DataError, match=r"without enough test examples of its own classes would be client \d \(class 4\)"
    ):
        split(Classes(), images, 5)


def test_which_classes_go_together_is_drawn(toy):
    images = toy(train=600, test=600, classes=12)
    groups = {tuple(sorted(set(images.train.labels[split(Classes(), images, 3, seed)[0].train]))) for seed in range(5)}
    assert len(groups) > 1


@pytest.mark.parametrize(
    ("classes", "clients", "last"), [(37, 10, 1), (102, 10, 12), (25, 10, 7), (5, 2, 3), (7, 2, 3)]
)
def test_halves_are_rounded_to_the_even_number(classes, clients, last, toy):
    # 25 / 10 gives 2, not 3; 5 / 2 gives 2 and 7 / 2 gives 4.
    images = toy(train=classes * 60, test=classes * 60, classes=classes)
    sizes = group_sizes(images, split(Classes(remainder="last"), images, clients))
    assert sizes == [round(classes / clients)] * (clients - 1) + [last]


@pytest.mark.parametrize("seed", [0, 7])
def test_the_fixed_draw_is_python_s_shuffle_whatever_the_seed(seed, toy):
    images = toy(train=3_700, test=3_700, classes=37)
    shares = split(Classes(remainder="last", fixed_draw=2023), images, 10, seed)
    before = random.getstate()
    random.seed(2023)
    order = list(range(37))
    random.shuffle(order)
    random.setstate(before)
    for name in ("train", "test"):
        owned = [set(getattr(images, name).labels[getattr(share, name)]) for share in shares]
        assert owned == [set(order[start : start + 4]) for start in range(0, 36, 4)] + [{order[36]}]


def test_the_published_shuffle_of_ten_classes_is_this_one(toy):
    # Written down, so that another Python that shuffles otherwise would be found out.
    images = toy(train=600, test=600, classes=10)
    shares = split(Classes(fixed_draw=2023), images, 10)
    assert [int(images.train.labels[share.train[0]]) for share in shares] == [1, 0, 3, 8, 5, 4, 2, 9, 7, 6]
