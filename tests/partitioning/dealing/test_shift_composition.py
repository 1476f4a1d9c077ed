import numpy as np
import pytest

from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.mixture import Mixture
from fedsilo.partitioning.shifts.label.coarse_dirichlet import CoarseDirichlet
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.label.dirichlet_by_client import DirichletByClient
from fedsilo.partitioning.shifts.label.iid import Iid
from fedsilo.partitioning.shifts.label.shards import Shards
from fedsilo.partitioning.shifts.quantity.equal import Equal
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal


def look(examples):
    """Features by position: an angle that tells even from odd, which is the domain of two."""
    angles = np.array([int(digest[-1], 16) % 2 for digest in examples.digests]) + 0.01 * examples.labels
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def split(rule, images, seed=0):
    return rule.split(images, np.random.default_rng(seed), look)


def histograms(images, shares):
    return np.array([np.bincount(images.train.labels[s.train], minlength=len(images.classes)) for s in shares])


@pytest.mark.parametrize("label", [Dirichlet(0.05), DirichletByClient(0.05)], ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("quantity", [Equal(), Lognormal(0.5)], ids=lambda part: type(part).__name__)
def test_a_quantity_shift_leaves_clients_their_classes(label, quantity, toy):
    """The label shift draws the same tastes; another number of images does not change who likes what."""
    images = toy(train=4_000, test=400, classes=8)
    for seed in range(3):
        plain, sized = (
            histograms(images, split(ComposedPartition(8, label, quantity=q), images, seed)) for q in (None, quantity)
        )
        apart = histograms(images, split(ComposedPartition(8, label), images, seed + 50))
        alike = np.minimum(plain / plain.sum(axis=0), sized / sized.sum(axis=0)).sum()
        assert alike > 1.3 * np.minimum(plain / plain.sum(axis=0), apart / apart.sum(axis=0)).sum()


def test_a_client_likes_the_same_classes_in_every_domain(toy):
    images = toy(train=6_000, test=600, classes=6, domains=3)
    for label in (Dirichlet(0.05), DirichletByClient(0.05)):
        shares = split(ComposedPartition(6, label, Mixture(100.0)), images, 1)
        for share in shares:
            labels, domains = images.train.labels[share.train], images.train.domains[share.train]
            first, *others = (np.bincount(labels[domains == n], minlength=6) for n in range(3))
            assert all(np.minimum(first, other).sum() > 0.6 * first.sum() for other in others)


def test_sizes_do_not_hear_of_the_label_shift(toy):
    images = toy(train=300, test=100)
    sizes = [
        [len(share.train) for share in split(ComposedPartition(5, label, quantity=Lognormal()), images, 8)]
        for label in (Iid(), Dirichlet(0.1), DirichletByClient(0.1), Shards(), CoarseDirichlet())
    ]
    assert all(row == sizes[0] for row in sizes)
