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
