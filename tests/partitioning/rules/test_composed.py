"""Promises of composed partitions, for every label, feature, quantity and concept shift."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.core.errors import DataError
from fedsilo.partitioning.dealing.long_tail import thin_by_rank
from fedsilo.partitioning.dealing.post_partition_steps import apply_post_split
from fedsilo.partitioning.manifest import freeze
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.concept.label_noise import LabelNoise
from fedsilo.partitioning.shifts.concept.none import NoConceptShift
from fedsilo.partitioning.shifts.concept.permutation import Permutation
from fedsilo.partitioning.shifts.feature.covariate import Covariate
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.feature.mixture import Mixture
from fedsilo.partitioning.shifts.feature.none import NoFeatureShift
from fedsilo.partitioning.shifts.label.classes import Classes
from fedsilo.partitioning.shifts.label.coarse_dirichlet import CoarseDirichlet
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.label.dirichlet_by_client import DirichletByClient
from fedsilo.partitioning.shifts.label.iid import Iid
from fedsilo.partitioning.shifts.label.shards import Shards
from fedsilo.partitioning.shifts.quantity.dirichlet import DirichletSizes
from fedsilo.partitioning.shifts.quantity.equal import Equal
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal
from fedsilo.partitioning.shifts.quantity.natural import Natural
from fedsilo.partitioning.shifts.quantity.power_law import PowerLaw
from fedsilo.partitioning.shifts.quantity.sizes import ExplicitSizes

BETAS = st.sampled_from([1e-6, 0.001, 0.01, 0.1, 0.5, 5.0, 1e6])
LABELS = st.one_of(
    st.just(Iid()),
    st.builds(Dirichlet, BETAS, st.booleans()),
    st.builds(DirichletByClient, BETAS),
    st.builds(CoarseDirichlet, BETAS, BETAS),
    st.builds(Shards, st.integers(1, 3)),
)
OWNED = st.one_of(
    st.just(Classes()),
    st.just(Classes(1)),
    st.just(Classes(2, overlap=True)),
    st.just(Classes(3, overlap=True, uneven=(0.1, 0.9))),
    st.just(Classes(2, overlap=True, copies=True)),
)
FEATURES = st.one_of(st.just(NoFeatureShift()), st.just(Domains()), st.builds(Mixture, BETAS), st.just(Covariate(2)))
RELATIVE = st.one_of(
    st.just(Equal()),
    st.builds(Lognormal, st.sampled_from([0.0, 1.0, 50.0])),
    st.builds(PowerLaw, st.sampled_from([0.0, 1.0, 50.0])),
    st.builds(DirichletSizes, BETAS),
)
CONCEPTS = st.sampled_from([NoConceptShift(), LabelNoise(0.5, clients=1.0), Permutation(0, clients=1.0)])
quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def look(examples):
    """Features by position: an angle that tells even from odd, which is the domain of two."""
    angles = np.array([int(digest[-1], 16) % 2 for digest in examples.digests]) + 0.01 * examples.labels
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def split(rule, images, seed=0):
    return rule.split(images, np.random.default_rng(seed), look)


def tried(rule, images, seed):
    """The shares and "", or None and the message of the error."""
    try:
        return split(rule, images, seed), ""
    except DataError as error:
        return None, str(error)


@st.composite
def data_and_room(draw, toy):
    """Images of any kind, with a number of clients and minimum sizes for which there is room in every domain."""
    domains, clients = draw(st.integers(2, 3)), draw(st.integers(3, 9))
    min_train, min_test = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    images = toy(
        train=draw(st.integers(2 * clients * min_train, 90)) if 2 * clients * min_train < 90 else 90,
        test=draw(st.integers(2 * clients * min_test, 70)),
        classes=draw(st.integers(2, 9)),
        domains=domains,
        seed=draw(st.integers(0, 99)),
    )
    return images, clients, min_train, min_test


def assert_sound(images, shares, rule):
    """Checks that examples have at most one owner and clients are not empty; returns the number of dealt examples."""
    held = []
    for name, least in (("train", rule.min_train), ("test", rule.min_test)):
        parts = [getattr(share, name) for share in shares]
        positions = np.concatenate(parts)
        assert len(np.unique(positions)) == len(positions)
        assert all((np.diff(part) > 0).all() and part.dtype == np.int64 for part in parts)
        assert min(map(len, parts)) >= least
        held.append(len(positions))
    for share in shares:
        found = np.union1d(images.train.domains[share.train], images.test.domains[share.test])
        if not isinstance(rule.feature, Covariate):
            assert share.domain == (images.domains[found[0]] if len(found) == 1 else "")
    return held


@quick
@given(data=st.data(), label=LABELS, feature=FEATURES, seed=st.integers(0, 99))
def test_every_example_has_exactly_one_owner(data, label, feature, seed, toy):
    images, clients, min_train, min_test = data.draw(data_and_room(toy))
    quantity = data.draw(st.one_of(st.just(Natural()), RELATIVE))
    rule = ComposedPartition(clients, label, feature, quantity, min_train=min_train, min_test=min_test)
    shares, line = tried(rule, images, seed)
    if shares is None:
        mixed = isinstance(feature, Mixture) and isinstance(label, CoarseDirichlet)
        shards = isinstance(label, Shards) and "shards each need" in line
        assert mixed or shards or isinstance(feature, Covariate), line
        return
    assert len(shares) == clients
    assert assert_sound(images, shares, rule) == [len(images.train), len(images.test)]


@quick
@given(data=st.data(), label=OWNED, seed=st.integers(0, 99), domains=st.booleans())
def test_no_client_has_images_that_it_does_not_own(data, label, seed, domains, toy):
    images, clients, min_train, min_test = data.draw(data_and_room(toy))
    quantity = data.draw(st.one_of(st.just(Natural()), RELATIVE))
    feature = Domains() if domains else NoFeatureShift()
    rule = ComposedPartition(clients, label, feature, quantity, min_train=min_train, min_test=min_test)
    shares, line = tried(rule, images, seed)
    if shares is None:
        assert "\n" not in line
        return
    if not label.copies:
        assert_sound(images, shares, rule)
    for share in shares:
        train, test = set(images.train.labels[share.train]), set(images.test.labels[share.test])
        assert len(train | test) <= (label.per_client or len(images.classes))
        assert len(share.train) >= min_train
        assert len(share.test) >= min_test
    if isinstance(quantity, Natural) and not label.per_client:
        assert sum(len(share.train) for share in shares) == len(images.train)


@quick
@given(data=st.data(), label=LABELS, mixed=st.booleans(), quantity=RELATIVE, seed=st.integers(0, 99))
def test_sizes_are_within_one_of_what_the_weights_ask_for(data, label, mixed, quantity, seed, toy):
    images, clients, _, _ = data.draw(data_and_room(toy))
    feature = Mixture() if mixed and not isinstance(label, CoarseDirichlet) else NoFeatureShift()
    rule = ComposedPartition(clients, label, feature, quantity)
    held = np.array([len(share.train) for share in split(rule, images, seed)])
    weights = quantity.weights(clients, np.random.default_rng(seed).spawn(4)[1])
    asked = len(images.train) * weights / weights.sum()
    if asked.min() >= 1:
        assert np.abs(held - asked).max() < 1
    else:  # those below the minimum are raised to it, at the cost of the others
        assert (held[asked < 1] == 1).all()
        assert (held[asked >= 1] <= asked[asked >= 1] + 1).all()


@quick
@given(data=st.data(), label=st.one_of(LABELS, OWNED), feature=FEATURES, seed=st.integers(0, 99))
def test_explicit_sizes_are_met_or_refused(data, label, feature, seed, toy):
    images, clients, _, _ = data.draw(data_and_room(toy))
    sizes = data.draw(st.lists(st.integers(1, 14), min_size=clients, max_size=clients))
    rule = ComposedPartition(clients, label, feature, ExplicitSizes(sizes))
    shares, line = tried(rule, images, seed)
    if shares is None:
        assert "\n" not in line
        assert (
            isinstance(label, Classes | CoarseDirichlet)
            or isinstance(feature, Covariate | Domains)
            or (sum(sizes) > len(images.train))
        ), line
        return
    assert [len(share.train) for share in shares] == sizes
    if not getattr(label, "copies", False):
        assert_sound(images, shares, rule)


@quick
@given(data=st.data(), ratio=st.sampled_from([2.0, 10.0, 1e6]), label=LABELS, feature=FEATURES, seed=st.integers(0, 9))
def test_images_cut_from_a_long_tail_have_no_owner_and_all_others_have_one(data, ratio, label, feature, seed, toy):
    images, clients, min_train, _ = data.draw(data_and_room(toy))
    rule = ComposedPartition(clients, label, feature, min_train=min_train, long_tail=ratio)
    left = thin_by_rank(images, ratio, np.random.default_rng(seed).spawn(4)[2])
    shares, line = tried(rule, images, seed)
    if shares is None:
        assert "\n" not in line
        return
    assert np.array_equal(np.sort(np.concatenate([share.train for share in shares])), left)
    assert assert_sound(images, shares, rule)[1] == len(images.test)


@quick
@given(
    data=st.data(),
    label=st.one_of(LABELS, OWNED),
    feature=FEATURES,
    quantity=st.one_of(RELATIVE, st.just(Natural())),
    concept=CONCEPTS,
)
def test_the_same_seed_gives_the_same_split_down_to_the_labels(data, label, feature, quantity, concept, toy):
    images, clients, _, _ = data.draw(data_and_room(toy))
    rule = ComposedPartition(clients, label, feature, quantity, concept=concept, shots=2)

    def made():
        shares, line = tried(rule, images, 3)
        return line if shares is None else freeze(images, apply_post_split(images, shares, rule, 3), {}, 0).split_sha256

    assert made() == made()


SEVERAL = list(
    itertools.product(
        [Iid(), Dirichlet(0.3), DirichletByClient(0.3), CoarseDirichlet(), Shards(), Classes(2, overlap=True)],
        [None, Domains(), Mixture(0.3)],
        [None, Lognormal(), PowerLaw(), DirichletSizes(2.0)],
    )
)


@pytest.mark.parametrize(
    ("label", "feature", "quantity"),
    [row for row in SEVERAL if not (isinstance(row[1], Mixture) and not row[0].mixes)],
    ids=lambda part: type(part).__name__,
)
def test_other_seeds_give_other_splits(label, feature, quantity, toy):
    images = toy(train=200, test=100, classes=6)
    rule = ComposedPartition(6, label, feature, quantity)
    hashes = {freeze(images, split(rule, images, seed), {}, 0).split_sha256 for seed in range(3)}
    assert len(hashes) == 3


def test_sizes_and_classes_do_not_hear_of_a_concept_shift(toy):
    images = toy()
    plain, shifted = (
        apply_post_split(images, split(rule, images, 4), rule, 4)
        for rule in (
            ComposedPartition(5, Dirichlet(0.3)),
            ComposedPartition(5, Dirichlet(0.3), concept=LabelNoise(clients=1.0)),
        )
    )
    for one, other in zip(plain, shifted, strict=True):
        assert np.array_equal(one.train, other.train)
        assert np.array_equal(one.test, other.test)
        assert one.train_labels is None
        assert other.train_labels is not None


@pytest.mark.parametrize(
    "label",
    [Iid(), Dirichlet(0.01), DirichletByClient(0.01), CoarseDirichlet(0.01), Shards(1)],
    ids=lambda part: type(part).__name__,
)
@pytest.mark.parametrize("quantity", [None, Lognormal(3.0)], ids=lambda part: type(part).__name__)
def test_from_one_client_to_as_many_as_examples(label, quantity, toy):
    images = toy(train=12, test=12)
    (share,) = split(ComposedPartition(1, label, quantity=quantity), images)
    assert (len(share.train), len(share.test)) == (12, 12)
    for feature in (None, Domains(), Mixture(0.01)):
        if feature is None or isinstance(feature, Domains) or label.mixes:
            shares = split(ComposedPartition(12, label, feature, quantity), images)
            assert {(len(share.train), len(share.test)) for share in shares} == {(1, 1)}
