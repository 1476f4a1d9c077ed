import numpy as np
import pytest

from fedsilo.partitioning.dealing.post_partition_steps import apply_post_split
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.concept.permutation import Permutation
from fedsilo.partitioning.shifts.label.classes import Classes


def no_look(examples):
    raise AssertionError("nothing here asks for features")


def split(rule, images, seed=0):
    return rule.split(images, np.random.default_rng(seed), no_look)


def done(rule, images, seed=0):
    return apply_post_split(images, split(rule, images, seed), rule, seed)


def names_of(images, share):
    """What a client calls each class, by its training and its test images; they agree."""
    pairs = set()
    for examples, positions, labels in (
        (images.train, share.train, share.train_labels),
        (images.test, share.test, share.test_labels),
    ):
        known = examples.labels[positions]
        pairs |= set(zip(known.tolist(), (known if labels is None else labels).tolist(), strict=True))
    names = dict(pairs)
    assert len(names) == len(pairs)
    assert len(set(names.values())) == len(names)
    return names


@pytest.mark.parametrize(("swapped", "changed"), [(2, 2), (3, 3), (0, 5), (5, 5)])
@pytest.mark.parametrize("test", ["client", "global"])
def test_so_many_names_change_in_a_circle_and_test_labels_follow(swapped, changed, test, toy):
    images = toy(train=300, test=200)
    shares = done(ComposedPartition(4, concept=Permutation(swapped, clients=1.0), test=test), images)
    found = [names_of(images, share) for share in shares]
    assert [sum(a != b for a, b in names.items()) for names in found] == [changed] * 4
    assert len({tuple(sorted(names.items())) for names in found}) > 1


@pytest.mark.parametrize("test", ["client", "global"])
def test_names_change_among_the_classes_that_a_client_trains_on(test, toy):
    images = toy(train=600, test=600, classes=12)
    for share in done(ComposedPartition(4, Classes(), concept=Permutation(2, clients=1.0), test=test), images):
        changed = {a for a, b in names_of(images, share).items() if a != b}
        assert len(changed) == 2
        assert changed <= set(images.train.labels[share.train])
