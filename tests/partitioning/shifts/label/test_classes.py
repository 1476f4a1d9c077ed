import random

import numpy as np
import pytest

from fedsilo.core.errors import DataError
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.label.classes import Classes
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal


def split(label, images, clients, seed=0, **keys):
    return ComposedPartition(clients, label, **keys).split(images, np.random.default_rng(seed), no_look)


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
    with pytest.raises(DataError, match=r"too few test examples of their own classes for client \d \(class 4\)"):
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
    # Fixed values, to detect a Python version that shuffles differently.
    images = toy(train=600, test=600, classes=10)
    shares = split(Classes(fixed_draw=2023), images, 10)
    assert [int(images.train.labels[share.train[0]]) for share in shares] == [1, 0, 3, 8, 5, 4, 2, 9, 7, 6]


def owned_by(images, shares, name="train"):
    return [set(getattr(images, name).labels[getattr(share, name)].tolist()) for share in shares]


@pytest.mark.parametrize(("clients", "per_client", "classes"), [(10, 2, 10), (7, 3, 10), (20, 1, 6), (5, 6, 6)])
def test_clients_own_so_many_classes_and_classes_have_nearly_as_many_owners(clients, per_client, classes, toy):
    images = toy(train=100 * classes, test=100 * classes, classes=classes)
    shares = split(Classes(per_client, overlap=True), images, clients, 3)
    owned = owned_by(images, shares)
    assert {len(group) for group in owned} == {per_client}
    assert owned == owned_by(images, shares, "test")
    owners = np.bincount([label for group in owned for label in group], minlength=classes)
    assert np.ptp(owners) <= 1
    if clients * per_client >= classes:
        assert sum(len(share.train) for share in shares) == len(images.train)


def test_owners_of_a_class_have_equal_parts_of_it_or_parts_from_the_range(toy):
    images = toy(train=12_000, test=6_000, classes=6)
    for uneven, low, high in (((1.0, 1.0), 1.0, 1.0), ((0.2, 0.8), 0.25, 4.0)):
        shares = split(Classes(2, overlap=True, uneven=uneven), images, 9)
        for name, slack in (("train", 0.01), ("test", 0.02)):
            labels = getattr(images, name).labels
            counts = np.array([np.bincount(labels[getattr(share, name)], minlength=6) for share in shares])
            parts = [row[row > 0] for row in counts.T]
            ratios = np.array([part / part[0] for part in parts])
            assert ratios.min() >= low - slack
            assert ratios.max() <= high + slack
            assert low == high or np.ptp(ratios) > 0.3


def test_copies_give_every_owner_all_of_its_classes(toy):
    images = toy(train=500, test=200)
    for share in split(Classes(2, overlap=True, copies=True), images, 8):
        for name in ("train", "test"):
            labels, held = getattr(images, name).labels, getattr(share, name)
            assert np.array_equal(held, np.flatnonzero(np.isin(labels, labels[held])))
            assert len(np.unique(labels[held])) == 2


def test_images_of_classes_without_an_owner_are_not_dealt(toy):
    images = toy(train=1_000, test=500, classes=10)
    shares = split(Classes(3), images, 3)
    owned = owned_by(images, shares)
    assert [len(group) for group in owned] == [3, 3, 3]
    assert len(set.union(*owned)) == 9
    assert sum(len(share.train) for share in shares) == np.isin(images.train.labels, list(set.union(*owned))).sum()


def test_few_test_images_among_many_owners_never_go_to_other_clients(toy):
    images = toy(train=400, test=60, classes=4)
    shares = split(Classes(1, overlap=True), images, 16)  # four owners a class, of about 15 test images
    assert all(len(share.test) >= 2 for share in shares)
    images.test.labels[:] = np.repeat([0, 1, 2, 3], [51, 3, 3, 3])
    with pytest.raises(DataError, match=r"too few test examples of their own classes for client"):
        split(Classes(1, overlap=True), images, 16)


def test_uneven_sizes_still_leave_every_owner_its_least(toy):
    images = toy(train=2_000, test=500, classes=10)
    shares = split(Classes(2, overlap=True), images, 40, quantity=Lognormal(2.0), min_train=3)
    sizes = np.array([len(share.train) for share in shares])
    assert sizes.min() >= 3
    assert sizes.max() > 8 * np.median(sizes)


def test_many_clients_are_named_by_the_first_few(toy):
    with pytest.raises(DataError, match=r"client \d+ \(class \d\) and \d+ others\. Use fewer than 40 clients"):
        split(Classes(1, overlap=True), toy(train=200, test=40, classes=20), 40)


def test_images_are_left_out_until_sizes_are_in_proportion_and_no_more(toy):
    images = toy(train=2_000, test=500, classes=10)
    whole = np.array([len(share.train) for share in split(Classes(), images, 5)])
    sizes = np.array([len(share.train) for share in split(Classes(), images, 5, quantity=Lognormal(0.5))])
    weights = Lognormal(0.5).weights(5, np.random.default_rng(0).spawn(4)[1])
    assert np.abs(sizes - weights / weights.sum() * sizes.sum()).max() < 1.5
    assert (whole - sizes).min() == 0
