import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.core import Examples, LabelledImages
from fedsilo.core.errors import DataError
from fedsilo.partitioning.manifest import freeze
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.coarse_dirichlet import CoarseDirichlet
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal
from fedsilo.partitioning.shifts.quantity.sizes import ExplicitSizes

GROUPS = (3, 1, 0, 2, 1, 3, 0, 2, 2, 0, 1, 3)
quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)


@pytest.fixture
def tree(toy):
    """Returns a maker of images of 12 classes in 4 superclasses."""
    return lambda **sizes: replace(toy(**{"train": 500, "test": 100, "classes": 12, **sizes}), groups=GROUPS)


def split(label, images, clients, seed=0, **keys):
    return ComposedPartition(clients, label, **keys).split(images, np.random.default_rng(seed), no_look)


def no_look(examples):
    raise AssertionError("nothing here asks for features")


def test_every_client_has_exactly_the_same_number_of_images(tree):
    images = tree()
    for beta in (0.01, 0.3, 100.0):
        shares = split(CoarseDirichlet(beta), images, 20)
        assert [len(share.train) + len(share.test) for share in shares] == [30] * 20


def test_train_and_test_stay_what_they_were_and_every_image_has_one_owner(tree):
    images = tree()
    shares = split(CoarseDirichlet(), images, 20)
    for name, size in (("train", 500), ("test", 100)):
        positions = np.concatenate([getattr(share, name) for share in shares])
        assert np.array_equal(np.sort(positions), np.arange(size))


def groups_held(images, shares):
    groups = np.array(GROUPS)
    return np.mean([len(np.unique(groups[images.train.labels[share.train]])) for share in shares])


def test_a_small_beta_gives_few_superclasses(tree):
    images = tree(train=2_000, test=400)
    few, many = (groups_held(images, split(CoarseDirichlet(beta), images, 24)) for beta in (0.05, 50.0))
    assert few < 2.0
    assert many == 4.0


def test_fine_beta_says_how_alike_the_classes_of_a_superclass_are(tree):
    images = tree(train=6_000, test=1_200)

    def largest_part(fine_beta):
        """The largest class's part of the superclass that the first client has most of."""
        (share, *_) = split(CoarseDirichlet(0.05, fine_beta), images, 40)
        counts = np.bincount(images.train.labels[share.train], minlength=12)
        largest = np.array(GROUPS) == np.bincount(np.array(GROUPS), weights=counts).argmax()
        return counts[largest].max() / counts[largest].sum()

    assert largest_part(1e6) < 0.5  # a third each, but for chance
    assert largest_part(0.001) > 0.9


def test_the_same_seed_gives_the_same_split_and_another_another(tree):
    images = tree()

    def found(seed, **keys):
        return freeze(images, split(CoarseDirichlet(**keys), images, 10, seed), {}, 0).split_sha256

    assert found(1) == found(1) != found(2)
    assert found(1, fixed_draw=12345) == found(2, fixed_draw=12345) != found(1, fixed_draw=1)


def test_the_fixed_draw_makes_the_published_calls(tree):
    """The published procedure in a simple form, client by client and image by image."""
    images = tree(train=200, test=40)
    labels = [*images.train.labels.tolist(), *images.test.labels.tolist()]
    dice, picker = np.random.RandomState(12345), random.Random(12345)
    shuffled = picker.sample(list(range(240)), 240)
    left = {label: [i for i in shuffled if labels[i] == label] for label in range(12)}
    inside = {group: [label for label in range(12) if GROUPS[label] == group] for group in range(4)}
    expected = []
    for _ in range(8):
        coarse = dict(zip(inside, dice.dirichlet([0.3] * len(inside)), strict=True))
        fine = {
            group: dict(zip(classes, dice.dirichlet([10.0] * len(classes)), strict=True))
            for group, classes in inside.items()
        }
        part = []
        for _ in range(30):
            group = list(coarse)[dice.multinomial(1, list(coarse.values())).argmax()]
            label = list(fine[group])[dice.multinomial(1, list(fine[group].values())).argmax()]
            image = picker.choice(left[label])
            left[label].remove(image)
            part.append(image)
            if not left[label]:
                inside[group].remove(label)
                fine[group].pop(label)
                fine[group] = {k: w / np.sum(list(fine[group].values())) for k, w in fine[group].items()}
                if not inside[group]:
                    inside.pop(group)
                    coarse.pop(group)
                    coarse = {k: w / np.sum(list(coarse.values())) for k, w in coarse.items()}
        expected.append(sorted(part))
    shares = split(CoarseDirichlet(fixed_draw=12345), images, 8)
    assert [[*share.train.tolist(), *(share.test + 200).tolist()] for share in shares] == expected


def test_the_last_client_still_learns_and_is_measured(tree):
    # 2 images each: only swaps can give every client one of either kind.
    images = tree(train=30, test=30)
    shares = split(CoarseDirichlet(0.1), images, 30)
    assert {(len(share.train), len(share.test)) for share in shares} == {(1, 1)}


def test_a_swap_keeps_the_class_where_it_can(tree):
    images = tree(train=24, test=12, classes=12)
    images.train.labels[:], images.test.labels[:] = np.repeat(np.arange(12), 2), np.arange(12)
    for seed in range(10):
        shares = split(CoarseDirichlet(1e-9), images, 3, seed)
        assert all(len(share.train) and len(share.test) for share in shares)


@quick
@given(
    clients=st.integers(1, 20),
    sizes=st.tuples(st.integers(20, 120), st.integers(20, 60)),
    beta=st.sampled_from([1e-9, 1e-3, 0.3, 1e6]),
    fixed=st.sampled_from([None, 12345]),
    seed=st.integers(0, 99),
)
def test_sizes_differ_by_one_at_most_on_any_data(clients, sizes, beta, fixed, seed):
    train, test = (drawn(size, seed + salt) for salt, size in enumerate(sizes))
    images = LabelledImages(tuple("abcdefghijkl"), ("x",), "a {}", train, test, groups=GROUPS)
    shares = split(CoarseDirichlet(beta, beta, fixed_draw=fixed), images, clients, seed)
    found = [len(share.train) + len(share.test) for share in shares]
    assert sum(found) == sum(sizes)
    assert max(found) - min(found) <= 1
    assert all(len(share.train) and len(share.test) for share in shares)


def drawn(size, seed):
    labels = np.random.default_rng(seed).integers(0, 12, size)
    return Examples(labels, np.zeros_like(labels), print, tuple(map(str, range(size))))


def test_data_without_superclasses_is_refused_in_one_line(toy):
    with pytest.raises(DataError, match=r"needs superclasses, and this data has none\. Use data that has them"):
        split(CoarseDirichlet(), replace(toy(), groups=()), 4)


@pytest.mark.parametrize("quantity", [Lognormal(0.8), ExplicitSizes([90, 10, 200, 50])], ids=str)
def test_a_quantity_shift_is_met_in_training_images_and_keeps_the_superclasses(quantity, tree):
    images, groups = tree(train=400, test=200), np.array(GROUPS)
    plain, sized = (split(CoarseDirichlet(0.1), images, 4, seed=5, quantity=q) for q in (None, quantity))
    weights = quantity.weights(4, np.random.default_rng(5).spawn(4)[1])
    asked = weights if quantity.absolute else 400 * weights / weights.sum()
    assert np.abs([len(share.train) for share in sized] - asked).max() < 1
    assert sum(len(share.test) for share in sized) == 200
    for one, other in zip(plain[:1], sized[:1], strict=True):  # what is left for the others depends on the sizes
        most = [np.bincount(groups[images.train.labels[share.train]]).argmax() for share in (one, other)]
        assert most[0] == most[1]


def test_more_than_one_of_either_kind_can_be_asked_for(tree):
    images = tree(train=60, test=60)
    shares = split(CoarseDirichlet(0.01), images, 20, min_train=3, min_test=3)
    assert {(len(share.train), len(share.test)) for share in shares} == {(3, 3)}
    shares = split(CoarseDirichlet(0.01), tree(), 20, min_train=22, min_test=4)
    assert min(len(share.train) for share in shares) >= 22
    assert min(len(share.test) for share in shares) >= 4


def test_inside_a_domain_it_works_as_in_all_of_the_data(tree):
    images = tree(domains=2)
    shares = split(CoarseDirichlet(0.3), images, 6, feature=Domains(), quantity=Lognormal())
    assert [share.domain for share in shares] == ["domain 0"] * 3 + ["domain 1"] * 3
    assert sum(len(share.train) for share in shares[:3]) == 250


def test_what_is_exchanged_is_of_one_class(tree):
    images = tree(train=2_400, test=400)

    def classes(**keys):
        shares = split(CoarseDirichlet(0.5), images, 14, **keys)
        return [np.bincount(np.concatenate([images.train.labels[s.train], images.test.labels[s.test]])) for s in shares]

    plain, moved = classes(), classes(min_test=27)
    assert all(np.array_equal(one, other) for one, other in zip(plain, moved, strict=True))
