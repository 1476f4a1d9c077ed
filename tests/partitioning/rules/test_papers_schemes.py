"""Schemes of the papers' code, compared with a simple implementation of their rules."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from fedsilo.partitioning.manifest import freeze
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.rules.domain_split import DomainSplit
from fedsilo.partitioning.rules.homo import Homo
from fedsilo.partitioning.rules.noniid_labeldir import NoniidLabeldir
from fedsilo.partitioning.rules.noniid_labeldir100 import NoniidLabeldir100
from fedsilo.partitioning.rules.noniid_labeluni import NoniidLabeluni
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet


def split(rule, images, seed=0):
    return rule.split(images, np.random.default_rng(seed), None)


def frozen(rule, images, seed=0):
    return freeze(images, split(rule, images, seed), {}, 0).split_sha256


def histograms(images, shares, name="train"):
    labels = getattr(images, name).labels
    return np.array([np.bincount(labels[getattr(s, name)], minlength=len(images.classes)) for s in shares])


def retried(images, clients, beta, least, capped, generator):
    """The papers' loop: cut every class by its own draw, again from the start until every client has enough."""
    total, classes = len(images.train), len(images.classes)
    while True:
        counts = {name: np.zeros((clients, classes), dtype=int) for name in ("train", "test")}
        for label in range(classes):
            parts = generator.dirichlet(np.full(clients, beta))
            if capped:
                parts = parts * (counts["train"].sum(axis=1) < total / clients)
                parts = parts / parts.sum()
            for name, found in counts.items():
                positions = np.flatnonzero(getattr(images, name).labels == label)
                cuts = (np.cumsum(parts) * len(positions)).astype(int)[:-1]
                found[:, label] = [len(piece) for piece in np.split(positions, cuts)]
        if min(found.sum(axis=1).min() for found in counts.values()) >= least:
            return counts


@pytest.mark.parametrize("capped", [True, False])
def test_labeldir_has_the_distribution_of_the_loop_that_draws_until_it_fits(capped, toy):
    images = toy(train=6_000, test=3_000, classes=20)
    rule = NoniidLabeldir(8, 0.3, 10) if capped else ComposedPartition(8, Dirichlet(0.3), min_train=10, min_test=10)
    sizes, parts, test_sizes = ([], []), ([], []), ([], [])
    for seed in range(60):
        shares = split(rule, images, seed)
        ours = {name: histograms(images, shares, name) for name in ("train", "test")}
        theirs = retried(images, 8, 0.3, 10, capped, np.random.default_rng(1_000 + seed))
        for who, counts in enumerate((ours, theirs)):
            sizes[who].extend(counts["train"].sum(axis=1))
            test_sizes[who].extend(counts["test"].sum(axis=1))
            parts[who].extend((counts["train"] / counts["train"].sum(axis=0)).ravel())
    assert ks_2samp(*sizes).statistic < 0.08
    assert ks_2samp(*test_sizes).statistic < 0.08
    assert ks_2samp(*np.round(parts, 2)).statistic < 0.02


def test_labeldir_gives_everybody_ten_of_either_split(toy):
    images = toy(train=2_000, test=400, classes=10)
    for seed in range(5):
        shares = split(NoniidLabeldir(25, 0.05), images, seed)
        assert min(len(share.train) for share in shares) >= 10
        assert min(len(share.test) for share in shares) >= 10
        counts = histograms(images, shares)
        # A client with an equal share gets nothing of the following classes, except for images moved later.
        before = np.cumsum(counts, axis=1) - counts
        assert (counts[before >= 2_000 / 25] > 0).mean() < 0.02


def test_labeldir100_is_one_split_of_both_pools_into_equal_numbers_whatever_the_seed(toy):
    images = toy(train=500, test=100, classes=20)
    shares = split(NoniidLabeldir100(12), images)
    assert [len(share.train) + len(share.test) for share in shares] == [50] * 12
    assert frozen(NoniidLabeldir100(12), images, 0) == frozen(NoniidLabeldir100(12), images, 1)
    assert frozen(NoniidLabeldir100(12), images) != frozen(NoniidLabeldir100(12, fixed_draw=1), images)
    free = {frozen(NoniidLabeldir100(12, fixed_draw=None), images, seed) for seed in range(2)}
    assert len(free) == 2


@pytest.mark.parametrize(("clients", "per_client", "classes"), [(10, 2, 10), (20, 2, 10), (10, 10, 100)])
def test_labeluni_gives_each_a_few_classes_in_parts_between_two_fifths_and_three_fifths(
    clients, per_client, classes, toy
):
    images = toy(train=400 * classes, test=200 * classes, classes=classes)
    shares = split(NoniidLabeluni(clients, per_client), images)
    for name, slack in (("train", 0.03), ("test", 0.06)):
        counts = histograms(images, shares, name)
        assert ((counts > 0).sum(axis=1) == per_client).all()
        for row in counts.T:
            parts = row[row > 0]
            assert len(parts) == clients * per_client / classes
            assert parts.max() / parts.min() <= 0.6 / 0.4 + slack
    ratios = [row[row > 0].max() / row[row > 0].min() for row in histograms(images, shares).T]
    assert clients * per_client == classes or max(ratios) > 1.05


@pytest.mark.parametrize(("each", "domains"), [(5, 6), (3, 4)], ids=["DomainNet", "Office"])
def test_the_domain_split_deals_every_domain_by_the_same_draw_in_train_and_test(each, domains, toy):
    images = toy(train=12_000, test=6_000, classes=10, domains=domains)
    shares = split(DomainSplit(each), images, 2)
    assert [share.domain for share in shares] == [name for name in images.domains for _ in range(each)]
    for start in range(0, len(shares), each):
        train, test = (histograms(images, shares[start : start + each], name) for name in ("train", "test"))
        assert np.abs(train / train.sum(axis=0) - test / test.sum(axis=0)).max() < 0.03
        assert train.max(axis=0).mean() > 0.6 * train.sum(axis=0).mean()  # beta 0.1


@pytest.mark.parametrize("capped", [True, False])
def test_the_domain_split_has_the_distribution_of_the_loop_in_each_domain(capped, toy):
    images, small = toy(train=4_000, test=2_000, domains=2, classes=10), toy(train=2_000, test=1_000, classes=10)
    parts = [], []
    for seed in range(40):
        counts = histograms(images, split(DomainSplit(4, 0.3, capped), images, seed)[:4])
        theirs = retried(small, 4, 0.3, 2, capped, np.random.default_rng(seed))["train"]
        for who, found in enumerate((counts, theirs)):
            parts[who].extend((found / found.sum(axis=0)).ravel())
    assert ks_2samp(*np.round(parts, 2)).statistic < 0.04


@pytest.mark.parametrize(
    ("each", "beta", "published"), [(5, 0.1, 0.29), (5, 0.3, 0.20), (3, 0.1, 0.15), (3, 0.3, 0.11)]
)
def test_clients_of_a_domain_differ_in_size_as_in_the_published_split(each, beta, published, toy):
    """Published: mean coefficient of variation of the sizes in a domain, over 40 draws of the released code."""
    images = toy(train=4_000, test=2_000, classes=10, domains=4)
    variations = []
    for seed in range(40):
        sizes = np.array([len(share.train) for share in split(DomainSplit(each, beta), images, seed)])
        by_domain = sizes.reshape(4, each)
        variations.append((by_domain.std(axis=1) / by_domain.mean(axis=1)).mean())
    assert np.mean(variations) == pytest.approx(published, abs=0.04)


def test_homo_is_iid(toy):
    assert frozen(Homo(7), toy(), 3) == frozen(ComposedPartition(7), toy(), 3)
