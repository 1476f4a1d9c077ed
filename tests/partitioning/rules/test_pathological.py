import random

import numpy as np
import pytest

from fedsilo.core.errors import DataError
from fedsilo.partitioning.dealing.few_shot import draw_shots
from fedsilo.partitioning.rules.pathological import Pathological


def split(rule, images, seed=0):
    return rule.split(images, np.random.default_rng(seed), None)


def histograms(images, shares, name="train"):
    labels = getattr(images, name).labels
    return np.array([np.bincount(labels[getattr(s, name)], minlength=len(images.classes)) for s in shares])


@pytest.mark.parametrize(
    ("classes", "last"),
    [(100, 10), (101, 11), (102, 12), (47, 2), (37, 1)],
    ids=["caltech", "food", "flowers", "dtd", "pets"],
)
@pytest.mark.parametrize("seed", [0, 5])
def test_pathological_is_the_published_shuffle_in_the_published_groups(classes, last, seed, toy):
    images = toy(train=40 * classes, test=40 * classes, classes=classes)
    stream, order = random.Random(2023), list(range(classes))
    stream.shuffle(order)
    each = round(classes / 10)
    expected = [set(order[start : start + each]) for start in range(0, 9 * each, each)] + [set(order[9 * each :])]
    assert [len(group) for group in expected] == [each] * 9 + [last]
    shares = split(Pathological(), images, seed)
    for name in ("train", "test"):
        assert [set(np.flatnonzero(row)) for row in histograms(images, shares, name)] == expected


def overlapping(labels, classes, clients, rate, shots):
    """The papers' code with a repeat rate: each client's classes and the positions of its shots."""
    stream, order, people = random.Random(2023), list(range(classes)), list(range(clients))
    stream.shuffle(order)
    repeated, single = order[: int(rate * classes)], order[int(rate * classes) :]
    each, groups = round(len(single) / clients), clients // shots
    owned = [single[n * each : (n + 1) * each if n < clients - 1 else None] for n in range(clients)]
    if groups:
        stream.shuffle(people)
        size, part = round(clients / groups), round(len(repeated) / groups)
        for n in range(groups):
            for client in people[n * size : (n + 1) * size]:
                owned[client] = owned[client] + repeated[n * part : (n + 1) * part if n < groups - 1 else None]
    else:
        owned = [mine + repeated for mine in owned]
    drawn = []
    for mine in owned:
        drawn.append([])
        for label in dict.fromkeys(labels):
            if label in mine:
                items = [position for position, other in enumerate(labels) if other == label]
                drawn[-1] += stream.sample(items, max(shots // clients, 1) if label in repeated else shots)
    return owned, [sorted(positions) for positions in drawn]


@pytest.mark.parametrize(
    ("classes", "clients", "rate", "shots"),
    [(20, 5, 0.5, 2), (20, 5, 0.25, 16), (23, 7, 0.3, 3), (10, 5, 1.0, 4), (12, 2, 0.5, 5)],
)
def test_pathological_with_a_repeat_rate_is_the_published_overlap(classes, clients, rate, shots, toy):
    images = toy(train=40 * classes, test=20 * classes, classes=classes)
    rule = Pathological(clients, repeat_rate=rate, shots=shots, shots_fixed_draw=2023)
    shares = draw_shots(images, split(rule, images), rule, 0)
    owned, drawn = overlapping(images.train.labels.tolist(), classes, clients, rate, shots)
    assert [share.train.tolist() for share in shares] == drawn
    for share, mine in zip(shares, owned, strict=True):
        assert set(images.test.labels[share.test]) == set(mine)
    assert sorted(np.concatenate([share.test for share in shares])) == list(range(20 * classes))


@pytest.mark.parametrize("fixed_draw", [2023, None])
def test_without_shots_owners_share_a_repeated_class_evenly(fixed_draw, toy):
    images = toy(train=800, test=400, classes=20)
    shares = split(Pathological(4, fixed_draw, 0.5), images)
    for name, total in (("train", 800), ("test", 400)):
        counts = histograms(images, shares, name)
        assert counts.sum() == total
        owners = (counts > 0).sum(axis=0)
        assert sorted(set(owners)) == [1, 4]
        assert (owners == 4).sum() == 10
        assert np.ptp(counts[:, owners == 4], axis=0).max() <= 1


def test_a_client_that_would_have_nothing_under_a_repeat_rate_is_named(toy):
    images = toy(train=800, test=60, classes=20)
    with pytest.raises(
        DataError, match=r"repeat_rate: at 1, client [\d, ]+ of 90 would have no test image\. Use fewer"
    ):
        split(Pathological(90, repeat_rate=1.0), images)
