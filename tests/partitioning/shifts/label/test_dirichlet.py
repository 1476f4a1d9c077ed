import numpy as np

from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet


def split(label, images, clients, seed=0, **keys):
    return ComposedPartition(clients, label, **keys).split(images, np.random.default_rng(seed), no_look)


def no_look(examples):
    raise AssertionError("nothing here asks for features")


def histograms(images, shares, name):
    labels = getattr(images, name).labels
    return np.array([np.bincount(labels[getattr(share, name)], minlength=len(images.classes)) for share in shares])


def test_test_proportions_are_those_of_training(toy):
    images = toy(train=20_000, test=10_000, classes=4)
    shares = split(Dirichlet(beta=0.5), images, 5, 1)
    train, test = (histograms(images, shares, name) for name in ("train", "test"))
    assert np.abs(train / train.sum(axis=0) - test / test.sum(axis=0)).max() < 1e-3


def test_no_client_is_measured_on_a_class_that_it_never_saw(toy):
    images = toy(train=400, test=4_000, classes=10)
    shares = split(Dirichlet(beta=0.05), images, 40, 1)
    train, test = (histograms(images, shares, name) for name in ("train", "test"))
    assert not test[train == 0].any()


def test_class_proportions_have_the_spread_of_the_distribution(toy):
    # Var of one component of Dir(b, ..., b) over N clients is (N - 1) / (N^2 (N b + 1)).
    images = toy(train=20_000, test=2_000, classes=20)
    for beta in (0.1, 1.0, 10.0):
        parts = []
        for seed in range(15):
            counts = histograms(images, split(Dirichlet(beta), images, 8, seed), "train")
            parts.append((counts / counts.sum(axis=0)).ravel())
        assert np.isclose(np.var(parts), 7 / (64 * (8 * beta + 1)), rtol=0.15)


def test_a_large_beta_gives_nearly_equal_parts(toy):
    images = toy(train=5_000, test=1_000, classes=5)
    counts = histograms(images, split(Dirichlet(beta=1e6), images, 5), "train")
    assert np.ptp(counts, axis=0).max() <= 4


def test_ten_times_the_clients_at_beta_one_hundredth_are_about_ten_times_the_work(toy, count_calls):
    images = toy(train=20_000, test=5_000, classes=100)
    split(Dirichlet(beta=0.01), images, 10, min_train=2)  # what is computed once
    few, _ = count_calls(lambda: split(Dirichlet(beta=0.01), images, 100, min_train=2))
    many, shares = count_calls(lambda: split(Dirichlet(beta=0.01), images, 1_000, min_train=2))
    assert many < 20 * few
    assert min(len(share.train) for share in shares) >= 2
    assert min(len(share.test) for share in shares) >= 1


def test_a_minimum_of_the_average_makes_all_equal(toy):
    images = toy(train=100, test=20)
    shares = split(Dirichlet(beta=0.01), images, 20, min_train=5)
    assert {len(share.train) for share in shares} == {5}
    assert {len(share.test) for share in shares} == {1}


def test_classes_missing_from_one_split_are_still_dealt(toy):
    images = toy(train=60, test=30, classes=4)
    images.train.labels[images.train.labels == 2] = 1
    images.test.labels[images.test.labels == 3] = 0
    shares = split(Dirichlet(beta=0.2), images, 6)
    assert sum(len(share.test) for share in shares) == 30
    assert sum(len(share.train) for share in shares) == 60


def test_capped_clients_hold_an_equal_share_and_one_class_at_most(toy):
    # A client below its share may still get one whole class on top of it, and nothing after that.
    images = toy(train=10_000, test=2_000, classes=50)
    largest = np.bincount(images.train.labels).max()
    for seed in range(5):
        capped, free = (
            histograms(images, split(Dirichlet(beta=0.1, capped=c), images, 10, seed), "train") for c in (True, False)
        )
        assert capped.sum(axis=1).max() < 1_000 + largest
        assert np.ptp(capped.sum(axis=1)) < np.ptp(free.sum(axis=1))


def test_a_full_client_gets_nothing_of_the_classes_that_follow(toy):
    images = toy(train=10_000, test=2_000, classes=50)
    counts = histograms(images, split(Dirichlet(beta=0.1, capped=True), images, 10), "train")
    held_before = np.cumsum(counts, axis=1) - counts
    full = held_before * 10 >= 10_000
    assert full.any()
    assert not counts[full].any()


def test_capped_test_proportions_are_those_of_training(toy):
    images = toy(train=50_000, test=10_000, classes=20)
    shares = split(Dirichlet(beta=0.3, capped=True), images, 25, 1)
    train, test = (histograms(images, shares, name) for name in ("train", "test"))
    assert np.abs(train / train.sum(axis=0) - test / test.sum(axis=0)).max() < 3e-3


def test_both_minimum_sizes_are_met_without_drawing_again(toy):
    images = toy(train=1_000, test=500, classes=10)
    shares = split(Dirichlet(beta=0.01, capped=True), images, 40, min_train=20, min_test=10)
    assert min(len(share.train) for share in shares) >= 20
    assert min(len(share.test) for share in shares) >= 10
    assert sum(len(share.train) for share in shares) == 1_000
    assert sum(len(share.test) for share in shares) == 500
