import pickle

import numpy as np
import pytest

from fedsilo.data.datasets.digits import Digits


@pytest.fixture(scope="module")
def digits():
    return Digits().load(seed=1)


def test_all_digits_are_there_once(digits):
    assert len(digits.train) + len(digits.test) == 1797
    assert digits.classes == ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    assert digits.domains == ("digits",)
    assert len({*digits.train.digests, *digits.test.digests}) == 1797


def test_the_split_has_the_same_share_of_every_class(digits):
    train, test = (np.bincount(split.labels, minlength=10) for split in (digits.train, digits.test))
    assert np.abs(test / (train + test) - 0.25).max() < 0.005


def test_the_seed_decides_the_split_and_nothing_else(digits):
    assert Digits().load(seed=1).test.digests == digits.test.digests
    other = Digits().load(seed=2)
    assert other.test.digests != digits.test.digests
    assert {*other.train.digests, *other.test.digests} == {*digits.train.digests, *digits.test.digests}


def test_images_are_rgb_and_survive_pickling(digits):
    image = pickle.loads(pickle.dumps(digits.train.fetch))(5)
    assert (image.mode, image.size) == ("RGB", (64, 64))
    assert image.tobytes() == digits.train.fetch(5).tobytes()


def test_labels_belong_to_their_images(digits):
    # A nearest-mean classifier on raw pixels reaches about 90 % when images and labels fit, 10 % when they do not.
    def pixels(split):
        return np.array([np.asarray(split.fetch(i).resize((8, 8)))[..., 0].ravel() for i in range(0, len(split), 2)])

    train, test = pixels(digits.train).astype(float), pixels(digits.test).astype(float)
    labels = digits.train.labels[::2]
    means = np.array([train[labels == k].mean(axis=0) for k in range(10)])
    guesses = ((test[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (guesses == digits.test.labels[::2]).mean() > 0.8


def test_another_size_has_other_digests(digits):
    smaller = Digits(image_size=32).load(seed=1)
    assert smaller.train.fetch(0).size == (32, 32)
    assert not {*smaller.train.digests} & {*digits.train.digests}


def test_impossible_keys_are_all_named():
    lines = Digits(test_fraction=1.0, image_size=2, template="a digit").problems()
    assert [line.split(":")[0] for line in lines] == ["test_fraction", "image_size", "template"]
    assert Digits().problems() == []
