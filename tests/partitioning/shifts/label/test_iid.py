import numpy as np

from fedsilo.core import Demand, Share
from fedsilo.partitioning.shifts.label.iid import Iid


def test_clients_get_equal_parts_of_the_shuffled_examples(toy):
    images = toy(train=31, test=11)
    shares = Iid().deal(images, Share(np.arange(31), np.arange(11)), Demand(3, 1, 1), np.random.default_rng(0))
    assert [(len(share.train), len(share.test)) for share in shares] == [(11, 4), (10, 4), (10, 3)]
    for split, total in (("train", 31), ("test", 11)):
        parts = [getattr(share, split) for share in shares]
        assert sorted(np.concatenate(parts)) == list(range(total))
    assert np.ptp(shares[0].train) > len(shares[0].train), "not shuffled"


def test_sizes_of_a_quantity_shift_are_met_and_test_sizes_follow_them(toy):
    images = toy(train=40, test=20)
    demand = Demand(2, 1, 1, sizes=np.array([30, 10]))
    shares = Iid().deal(images, Share(np.arange(40), np.arange(20)), demand, np.random.default_rng(0))
    assert [(len(share.train), len(share.test)) for share in shares] == [(30, 15), (10, 5)]
    assert sorted(np.concatenate([share.train for share in shares])) == list(range(40))
