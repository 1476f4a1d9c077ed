from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.label.dirichlet_by_client import DirichletByClient
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal


def histograms(label, images, clients, seed=0, **keys):
    shares = ComposedPartition(clients, label, **keys).split(images, np.random.default_rng(seed), None)
    return np.array([np.bincount(images.train.labels[s.train], minlength=len(images.classes)) for s in shares])


@pytest.mark.parametrize("beta", [0.1, 0.5, 5.0])
def test_a_thousand_clients_have_mixtures_of_the_distribution(beta, toy):
    """Against Dir(beta K p) as numpy draws it: the mixtures are scaled, which so many clients hardly need."""
    images = toy(train=50_000, test=2_000, classes=6)
    images.train.labels[images.train.labels == 5] = 0  # a third is of class 0, nothing of class 5
    found = histograms(DirichletByClient(beta), images, 1_000) / 50
    proportions = np.bincount(images.train.labels, minlength=6)[:5] / 50_000
    drawn = np.random.default_rng(1).dirichlet(beta * 6 * proportions / (7 / 6), 1_000)  # class 5 counts as any other
    drawn = np.round(50 * drawn) / 50
    assert np.allclose(found.mean(axis=0)[:5], proportions, atol=1e-9)
    assert not found[:, 5].any()
    assert ks_2samp(found.max(axis=1), drawn.max(axis=1)).statistic < 0.1
    assert np.allclose(found[:, :5].std(axis=0), drawn.std(axis=0), atol=0.03)


def test_small_betas_leave_one_class_whatever_the_size(toy):
    images = toy(train=8_000, test=800, classes=8)
    for quantity in (None, Lognormal(0.7)):
        counts = histograms(DirichletByClient(0.001), images, 80, quantity=quantity)
        # Classes and clients must come out even, so that a client at the edge of a class has something of another.
        assert np.mean(counts.max(axis=1) / counts.sum(axis=1)) > 0.85


def test_large_betas_give_everybody_the_mixture_of_all(toy):
    images = toy(train=4_000, test=400, classes=4)
    counts = histograms(DirichletByClient(1e6), images, 8)
    assert np.ptp(counts, axis=0).max() <= 4


def test_clients_are_of_one_size(toy):
    images = toy(train=1_003, test=400, classes=4)
    for beta in (0.001, 1.0):
        sizes = histograms(DirichletByClient(beta), images, 10).sum(axis=1)
        assert sizes.sum() == 1_003
        assert np.ptp(sizes) == 1


def test_a_rare_class_varies_as_the_distribution_has_it(toy):
    # The standard deviation of component k of Dir(beta K p) is sqrt(p_k (1 - p_k) / (beta K + 1)).
    images = toy(train=50_000, test=2_000, classes=20)
    images.train.labels[:] = np.maximum(images.train.labels - 15, 0)  # four fifths are of class 0
    images.train.labels[images.train.labels == 4] = 1
    images = replace(images, classes=images.classes[:4])
    images.test.labels[:] %= 4
    parts = histograms(DirichletByClient(0.5), images, 1_000) / 50
    proportions = np.bincount(images.train.labels) / 50_000
    assert np.allclose(parts.std(axis=0), np.sqrt(proportions * (1 - proportions) / 3), rtol=0.1)
