import numpy as np
import pytest

from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.mixture import Mixture
from fedsilo.partitioning.shifts.label.shards import Shards
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal


def counts_of(images, shares, name="train"):
    labels = getattr(images, name).labels
    return np.array([np.bincount(labels[getattr(s, name)], minlength=len(images.classes)) for s in shares])


def split(label, images, clients, seed=0, **keys):
    return ComposedPartition(clients, label, **keys).split(images, np.random.default_rng(seed), None)


@pytest.mark.parametrize("per_client", [1, 2, 5])
def test_a_client_has_so_many_pieces_of_the_examples_in_order_of_their_class(per_client, toy):
    images = toy(train=1_000, test=500, classes=10)
    ordered = np.sort(images.train.labels)
    pieces = np.array([np.bincount(piece, minlength=10) for piece in np.array_split(ordered, 20 * per_client)])
    counts = counts_of(images, split(Shards(per_client), images, 20))
    assert counts.sum(axis=1).tolist() == [50] * 20
    if per_client == 1:
        assert sorted(counts.tolist()) == sorted(pieces.tolist())
    # A piece spans two classes at most, as each is smaller than a class.
    assert (counts > 0).sum(axis=1).max() <= 2 * per_client
    assert np.array_equal(counts.sum(axis=0), pieces.sum(axis=0))


def test_two_shards_are_about_two_classes(toy):
    images = toy(train=6_000, test=1_000, classes=10)
    counts = counts_of(images, split(Shards(2), images, 100))
    assert 1.5 < (counts > 0).sum(axis=1).mean() < 2.6


def test_no_client_is_measured_on_a_class_that_it_never_saw(toy):
    images = toy(train=1_000, test=2_000, classes=10)
    shares = split(Shards(2), images, 20)
    assert not counts_of(images, shares, "test")[counts_of(images, shares) == 0].any()


def test_a_quantity_shift_makes_shards_of_other_sizes(toy):
    images = toy(train=2_000, test=500, classes=10)
    shares = split(Shards(2), images, 20, quantity=Lognormal())
    sizes = np.array([len(share.train) for share in shares])
    assert sizes.max() > 3 * np.median(sizes)
    small = sizes < 100
    assert ((counts_of(images, shares) > 0).sum(axis=1)[small] <= 4).all()


@pytest.mark.parametrize("keys", [{"quantity": Lognormal(3.0)}, {"feature": Mixture(0.01)}], ids=str)
def test_more_shards_than_examples_are_no_harm_where_sizes_are_given(keys, toy):
    images = toy(train=40, test=40)
    shares = split(Shards(10**9 if "quantity" in keys else 5), images, 10, **keys)
    assert sum(len(share.train) for share in shares) == 40


def test_minimum_sizes_are_met_where_shards_of_unequal_sizes_would_not(toy):
    images = toy(train=33, test=40)
    for seed in range(20):
        shares = split(Shards(2), images, 11, seed, min_train=3)
        assert {len(share.train) for share in shares} == {3}
