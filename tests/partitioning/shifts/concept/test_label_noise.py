import numpy as np
import pytest

from fedsilo.partitioning.dealing.post_partition_steps import apply_post_split
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.concept.label_noise import LabelNoise


def no_look(examples):
    raise AssertionError("nothing here asks for features")


def split(rule, images, seed=0):
    return rule.split(images, np.random.default_rng(seed), no_look)


def done(rule, images, seed=0):
    return apply_post_split(images, split(rule, images, seed), rule, seed)


@pytest.mark.parametrize("pattern", ["symmetric", "pair"])
@pytest.mark.parametrize("classes", [2, 7])
def test_just_so_many_training_labels_are_wrong_and_no_test_label(pattern, classes, toy):
    images = toy(train=400, test=100, classes=classes)
    shares = done(ComposedPartition(4, concept=LabelNoise(0.3, pattern, clients=0.5)), images)
    noisy = [share for share in shares if share.train_labels is not None]
    assert len(noisy) == 2
    for share in noisy:
        steps = (share.train_labels - images.train.labels[share.train]) % classes
        assert np.count_nonzero(steps) == 30
        assert set(steps) == ({0, 1} if pattern == "pair" or classes == 2 else set(range(classes)))
        assert share.test_labels is None


def test_symmetric_noise_takes_every_other_class_as_often():
    train = np.zeros(60_000, dtype=np.int64)
    noisy, _ = LabelNoise(1.0).relabel(train, train[:1], 4, np.random.default_rng(0))
    assert np.allclose(np.bincount(noisy), [0, 20_000, 20_000, 20_000], atol=400)
