import numpy as np
import pytest

from fedsilo.core import Demand, Share
from fedsilo.core.errors import DataError
from fedsilo.partitioning.dealing.example_assignment import (
    apportion_test_sizes,
    beta_problems,
    cut,
    deal_by_counts,
    make_shares,
    refuse,
    size_problems,
    thin_out,
)


def test_problems_are_refused_on_one_line_and_no_problem_is_not():
    refuse([])
    with pytest.raises(DataError, match=r"^partition: one is wrong\. So is two\.$"):
        refuse(["one is wrong.", "So is two."])


@pytest.mark.parametrize(("beta", "sound"), [(0.1, True), (1e9, True), (0, False), (-1, False), (np.inf, False)])
def test_a_concentration_is_finite_and_above_zero(beta, sound):
    lines = beta_problems(beta)
    assert (lines == []) == sound
    assert all(f"got {beta}" in line for line in lines)


def test_positions_are_sorted_and_a_share_of_one_domain_has_its_name(toy):
    images = toy(train=20, test=10, domains=2)
    first, second = (np.flatnonzero(images.train.domains == domain) for domain in range(2))
    nothing = np.zeros(0, dtype=np.int64)
    alone, mixed = make_shares(images, [first[::-1], np.array([second[0], first[0]])], [nothing, nothing])
    assert np.array_equal(alone.train, first)
    assert mixed.train.tolist() == sorted([first[0], second[0]])
    assert (alone.domain, mixed.domain) == (images.domains[0], "")


def test_a_pool_that_is_too_small_is_named_with_how_many_clients_fit():
    pool = Share(np.arange(7), np.arange(2), "sketch")
    few_train, few_test = size_problems(pool, Demand(4, min_train=3, min_test=1))
    for fact in ("4 clients", "at least 3 train examples", "need 12", "there are 7 in 'sketch'", "At most 2 clients"):
        assert fact in few_train
    assert "need 4, there are 2" in few_test
    assert size_problems(pool, Demand(2, min_train=3, min_test=1)) == []


def test_parts_have_their_sizes_and_every_position_once():
    parts = cut(np.arange(10, 20), np.array([3, 0, 7]), np.random.default_rng(0))
    assert [len(part) for part in parts] == [3, 0, 7]
    assert sorted(np.concatenate(parts)) == list(range(10, 20))


def test_test_sizes_follow_the_training_sizes_down_to_the_minimum():
    pool = Share(np.arange(100), np.arange(20))
    demand = Demand(3, min_train=1, min_test=2)
    sizes = apportion_test_sizes(pool, demand, np.array([75, 25, 0]), np.random.default_rng(0))
    assert sizes.sum() == 20
    assert sizes[2] == 2
    assert sizes[0] / sizes[1] == pytest.approx(3, rel=0.2)


def test_examples_are_dealt_by_the_counts_and_nothing_is_measured_that_is_not_trained_on(toy):
    images = toy(train=40, test=40, classes=2)
    held = np.bincount(images.train.labels, minlength=2)
    train = np.array([[held[0], 0], [2, held[1] - 2]])
    pool = Share(np.arange(40), np.arange(40))
    liking = np.full((2, 2), np.log(0.5))
    shares = deal_by_counts(images, pool, train, liking, Demand(2, 1, 1), np.random.default_rng(0))
    counts = np.stack([np.bincount(images.train.labels[share.train], minlength=2) for share in shares], axis=1)
    assert np.array_equal(counts, train)
    assert set(images.test.labels[shares[1].test]) == {1}
    assert sorted(np.concatenate([share.test for share in shares])) == list(range(40))


@pytest.mark.parametrize(("exactly", "expected"), [(True, [2, 4]), (False, [6, 12])])
def test_images_are_removed_down_to_the_sizes_or_to_their_proportion(exactly, expected, toy):
    images = toy(train=26, test=4)
    shares = [Share(np.arange(6), np.arange(2)), Share(np.arange(6, 26), np.arange(2, 4))]
    demand = Demand(2, 1, 1, sizes=np.array([2, 4]))
    thinned = thin_out(images, shares, demand, exactly, np.random.default_rng(0))
    assert [len(share.train) for share in thinned] == expected
    for before, after in zip(shares, thinned, strict=True):
        assert set(after.train) <= set(before.train)
        assert np.array_equal(after.test, before.test)


def test_exact_sizes_that_a_client_does_not_have_are_refused(toy):
    images = toy(train=26, test=4)
    shares = [Share(np.arange(6), np.arange(2)), Share(np.arange(6, 26), np.arange(2, 4))]
    with pytest.raises(DataError, match=r"partition\.quantity\.of: 7 training images .* gives 6\. Use a smaller size"):
        thin_out(images, shares, Demand(2, 1, 1, sizes=np.array([7, 4])), True, np.random.default_rng(0))
