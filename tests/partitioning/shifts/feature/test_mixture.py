import numpy as np
import pytest

from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.mixture import Mixture
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.quantity.equal import Equal
from fedsilo.partitioning.shifts.quantity.sizes import ExplicitSizes


def table_of(images, shares, name="train"):
    domains = getattr(images, name).domains
    return np.array([np.bincount(domains[getattr(s, name)], minlength=len(images.domains)) for s in shares])


def split(images, clients, feature, seed=0, **keys):
    return ComposedPartition(clients, feature=feature, **keys).split(images, np.random.default_rng(seed), None)


def test_small_betas_give_nearly_one_domain_and_large_ones_the_same_mix(toy):
    # Of many clients about as many like each domain as it has images for, so that little has to be scaled.
    images = toy(train=9_000, test=600, domains=3)
    few, even = (table_of(images, split(images, 300, Mixture(beta))) for beta in (0.001, 1e6))
    assert np.mean(few.max(axis=1) / few.sum(axis=1)) > 0.9
    assert np.abs(even - 10).max() <= 2


def test_drawn_mixtures_have_the_spread_of_the_distribution(toy):
    # 300 clients: scaling changes little. Var of a component of Dir(b, b) is 1 / (4 (2 b + 1)).
    images = toy(train=30_000, test=600, domains=2)
    for beta in (0.3, 2.0):
        parts = table_of(images, split(images, 300, Mixture(beta)))[:, 0] / 100
        assert np.isclose(parts.var(), 1 / (4 * (2 * beta + 1)), rtol=0.15)


WRITTEN = [{"domain 0": 3, "domain 1": 1}, {"domain 2": 1}, {"domain 1": 2, "domain 2": 2}]


def test_with_sizes_of_their_own_clients_have_exactly_the_written_mixture(toy):
    images = toy(train=300, test=90, domains=3)
    for label in (None, Dirichlet(0.1)):
        shares = split(images, None, Mixture(weights=WRITTEN), label=label, quantity=ExplicitSizes([80, 40, 60]))
        assert table_of(images, shares).tolist() == [[60, 20, 0], [0, 0, 40], [0, 30, 30]]


def test_a_domain_that_is_used_up_gives_all_it_has_and_others_the_rest(toy):
    images = toy(train=300, test=90, domains=3)
    shares = split(
        images,
        2,
        Mixture(weights=[{"domain 0": 1, "domain 1": 1}, {"domain 0": 4, "domain 2": 1}]),
        quantity=ExplicitSizes([100]),
    )
    table = table_of(images, shares)
    assert table.sum(axis=1).tolist() == [100, 100]
    assert table[:, 0].sum() == 100


def test_scaled_mixtures_keep_out_of_domains_of_weight_0(toy):
    images = toy(train=300, test=90, domains=3)
    weights = [{"domain 0": 1, "domain 1": 1}, {"domain 1": 1, "domain 2": 1}, {"domain 0": 1, "domain 2": 5}]
    table = table_of(images, split(images, None, Mixture(weights=weights), quantity=Equal()))
    assert table.sum(axis=1).tolist() == [100, 100, 100]
    assert table.sum(axis=0).tolist() == [100, 100, 100]
    assert [table[0, 2], table[1, 0], table[2, 1]] == [0, 0, 0]
    assert table[2, 2] > table[2, 0]


def test_clients_of_one_domain_each_get_all_of_it(toy):
    images = toy(train=300, test=90, domains=2)
    shares = split(images, None, Mixture(weights=[{"domain 1": 1.0}, {"domain 0": 5.0}, {"domain 0": 0.1}]))
    assert [share.domain for share in shares] == ["domain 1", "domain 0", "domain 0"]
    assert table_of(images, shares).tolist() == [[0, 150], [75, 0], [75, 0]]


@pytest.mark.parametrize("seed", range(8))
def test_who_has_too_few_test_images_gets_some_of_its_own_classes_and_domains(seed, toy):
    images = toy(train=400, test=60, classes=4, domains=3)
    rule = ComposedPartition(20, Dirichlet(0.05), Mixture(0.05), min_test=2)
    shares = rule.split(images, np.random.default_rng(seed), None)
    assert min(len(share.test) for share in shares) >= 2
    assert np.array_equal(np.sort(np.concatenate([share.test for share in shares])), np.arange(60))
    foreign = sum(np.count_nonzero(~np.isin(images.test.labels[s.test], images.train.labels[s.train])) for s in shares)
    assert foreign == 0


def test_test_images_follow_the_mixture(toy):
    images = toy(train=3_000, test=3_000, domains=3)
    shares = split(images, 6, Mixture(0.3))
    train, test = table_of(images, shares), table_of(images, shares, "test")
    assert np.abs(train - test).max() <= 3
