import numpy as np

from fedsilo.partitioning.dealing.long_tail import thin_by_rank


def test_a_long_tail_is_exponential(toy):
    images = toy(train=5_000, classes=5)
    sizes = np.bincount(images.train.labels[thin_by_rank(images, 100.0, np.random.default_rng(0))])
    largest = np.bincount(images.train.labels).max()
    expected = largest * 100.0 ** (-np.arange(5) / 4)
    assert np.abs(np.sort(sizes)[::-1] - expected)[1:].max() <= 0.5
    assert sizes.max() <= largest
