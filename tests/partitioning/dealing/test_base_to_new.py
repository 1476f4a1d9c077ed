import numpy as np
import pytest

from fedsilo.partitioning.dealing.base_to_new import split_base_to_new


def no_look(examples):
    raise AssertionError("nothing here asks for features")


def split(rule, images, seed=0):
    return rule.split(images, np.random.default_rng(seed), no_look)


@pytest.mark.parametrize(("classes", "part", "base"), [(10, 0.5, 5), (11, 0.5, 6), (10, 0.3, 7), (10, 0.2, 8)])
def test_the_first_classes_rounded_up_are_the_base(classes, part, base, toy):
    images = toy(train=300, test=200, classes=classes)
    left = split_base_to_new(images, part)
    assert left.classes == images.classes[:base]
    assert left.groups == images.groups[:base]
    assert left.newcomers.classes == images.classes[base:]
    for split, whole in ((left.train, images.train), (left.test, images.test)):
        assert split.digests == tuple(d for d, k in zip(whole.digests, whole.labels, strict=True) if k < base)
    assert len(left.newcomers.test) == np.count_nonzero(images.test.labels >= base)
    for number in range(len(left.newcomers.test)):
        assert left.newcomers.test.fetch(number).getpixel((0, 0))[0] == left.newcomers.test.labels[number] + base


def test_no_new_classes_change_nothing(toy):
    images = toy()
    assert split_base_to_new(images, 0.0) is images
