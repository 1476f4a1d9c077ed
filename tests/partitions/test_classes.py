import random

import numpy as np
import pytest

from fedsilo.errors import DataError
from fedsilo.partitions.classes import Classes


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
    shares = Classes(10, remainder).split(images, np.random.default_rng(0))
    assert group_sizes(images, shares) == expected


def test_a_remainder_of_nothing_is_refused_with_numbers(toy):
    with pytest.raises(DataError, match=r"'last' gives 2 of 15 classes to each client and nothing to the last of 10"):
        Classes(10, "last").split(toy(train=900, test=900, classes=15), np.random.default_rng(0))


def test_a_client_without_test_images_is_named_with_its_classes(toy):
    images = toy(train=100, test=100, classes=5)
    images.test.labels[images.test.labels == 4] = 0
    with pytest.raises(DataError, match=r"without any test example would be client \d \(class 4\)"):
        Classes(5).split(images, np.random.default_rng(0))


def test_which_classes_go_together_is_drawn(toy):
    images = toy(train=600, test=600, classes=12)
    groups = {
        tuple(sorted(set(images.train.labels[Classes(3).split(images, np.random.default_rng(seed))[0].train])))
        for seed in range(5)
    }
    assert len(groups) > 1


@pytest.mark.parametrize(
    ("classes", "clients", "last"), [(37, 10, 1), (102, 10, 12), (25, 10, 7), (5, 2, 3), (7, 2, 3)]
)
def test_halves_are_rounded_to_the_even_number(classes, clients, last, toy):
    # 25 / 10 gives 2, not 3; 5 / 2 gives 2 and 7 / 2 gives 4.
    images = toy(train=classes * 60, test=classes * 60, classes=classes)
    sizes = group_sizes(images, Classes(clients, "last").split(images, np.random.default_rng(0)))
    assert sizes == [round(classes / clients)] * (clients - 1) + [last]


@pytest.mark.parametrize("seed", [0, 7])
def test_the_fixed_draw_is_python_s_shuffle_whatever_the_seed(seed, toy):
    images = toy(train=3_700, test=3_700, classes=37)
    shares = Classes(10, "last", fixed_draw=2023).split(images, np.random.default_rng(seed))
    before = random.getstate()
    random.seed(2023)
    order = list(range(37))
    random.shuffle(order)
    random.setstate(before)
    for split in ("train", "test"):
        owned = [set(getattr(images, split).labels[getattr(share, split)]) for share in shares]
        assert owned == [set(order[start : start + 4]) for start in range(0, 36, 4)] + [{order[36]}]


def test_the_published_shuffle_of_ten_classes_is_this_one(toy):
    # Written down, so that another Python that shuffles otherwise would be found out.
    images = toy(train=600, test=600, classes=10)
    shares = Classes(10, fixed_draw=2023).split(images, np.random.default_rng(0))
    assert [int(images.train.labels[share.train[0]]) for share in shares] == [1, 0, 3, 8, 5, 4, 2, 9, 7, 6]
