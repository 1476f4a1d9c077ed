import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fedsilo.core import Corruption, Unseen
from fedsilo.partitioning.dealing.base_to_new import split_base_to_new
from fedsilo.partitioning.dealing.post_partition_steps import apply_post_split, split_without_domains
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.rules.manifest import FromManifest
from fedsilo.partitioning.shifts.concept.label_noise import LabelNoise
from fedsilo.partitioning.shifts.concept.permutation import Permutation
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.feature.mixture import Mixture
from fedsilo.partitioning.shifts.label.classes import Classes
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal
from fedsilo.partitioning.shifts.quantity.sizes import ExplicitSizes
from fedsilo.simulation.client_views import client_indices, list_rows
from fedsilo.simulation.preparation import partition_of


def no_look(examples):
    raise AssertionError("nothing here asks for features")


def split(rule, images, seed=0):
    return rule.split(images, np.random.default_rng(seed), no_look)


def done(rule, images, seed=0):
    return apply_post_split(images, split(rule, images, seed), rule, seed)


def prepared(rule, images, seed=0):
    """Data and manifest as a run has them."""
    return partition_of(
        SimpleNamespace(partition=rule, seed=seed, data=SimpleNamespace(load=lambda s: images)), no_look
    )


# Label noise


@pytest.mark.parametrize("pattern", ["symmetric", "pair"])
@pytest.mark.parametrize("classes", [2, 7])
def test_just_so_many_training_labels_are_wrong_and_no_test_label(pattern, classes, toy):
    images = toy(train=400, test=100, classes=classes)
    shares = done(ComposedPartition(4, concept=LabelNoise(0.3, pattern, clients=0.5)), images)
    noisy = [share for share in shares if share.train_labels is not None]
    assert len(noisy) == 2
    for share in noisy:
        steps = (share.train_labels - images.train.labels[share.train]) % classes
        assert np.count_nonzero(steps) == 30
        assert set(steps) == ({0, 1} if pattern == "pair" or classes == 2 else set(range(classes)))
        assert share.test_labels is None


def test_symmetric_noise_takes_every_other_class_as_often():
    train = np.zeros(60_000, dtype=np.int64)
    noisy, _ = LabelNoise(1.0).relabel(train, train[:1], 4, np.random.default_rng(0))
    assert np.allclose(np.bincount(noisy), [0, 20_000, 20_000, 20_000], atol=400)


# Other names


def names_of(images, share):
    """What a client calls each class, by its training and its test images; they agree."""
    pairs = set()
    for examples, positions, labels in (
        (images.train, share.train, share.train_labels),
        (images.test, share.test, share.test_labels),
    ):
        known = examples.labels[positions]
        pairs |= set(zip(known.tolist(), (known if labels is None else labels).tolist(), strict=True))
    names = dict(pairs)
    assert len(names) == len(pairs)
    assert len(set(names.values())) == len(names)
    return names


@pytest.mark.parametrize(("swapped", "changed"), [(2, 2), (3, 3), (0, 5), (5, 5)])
@pytest.mark.parametrize("test", ["client", "global"])
def test_so_many_names_change_in_a_circle_and_test_labels_follow(swapped, changed, test, toy):
    images = toy(train=300, test=200)
    shares = done(ComposedPartition(4, concept=Permutation(swapped, clients=1.0), test=test), images)
    found = [names_of(images, share) for share in shares]
    assert [sum(a != b for a, b in names.items()) for names in found] == [changed] * 4
    assert len({tuple(sorted(names.items())) for names in found}) > 1


@pytest.mark.parametrize("test", ["client", "global"])
def test_names_change_among_the_classes_that_a_client_trains_on(test, toy):
    images = toy(train=600, test=600, classes=12)
    for share in done(ComposedPartition(4, Classes(), concept=Permutation(2, clients=1.0), test=test), images):
        changed = {a for a, b in names_of(images, share).items() if a != b}
        assert len(changed) == 2
        assert changed <= set(images.train.labels[share.train])


def test_global_test_images_do_not_change_the_clients_labels(toy):
    images = toy(train=300, test=200)
    for concept in (Permutation(3, clients=1.0), LabelNoise(clients=1.0)):
        own, alike = (done(ComposedPartition(4, concept=concept, test=test), images) for test in ("client", "global"))
        for one, other in zip(own, alike, strict=True):
            assert np.array_equal(one.train_labels, other.train_labels)
            assert len(other.test) == 200


# Global test data


def test_everybody_is_measured_on_all_domains_but_the_unseen(toy):
    images = toy(train=300, test=90, domains=3)
    rule = ComposedPartition(feature=Domains(), unseen=Unseen(domains=["domain 1"]), test="global")
    _, manifest = prepared(rule, images)
    first, second, unseen = manifest.shares()
    assert np.array_equal(first.test, np.flatnonzero(images.test.domains != 1))
    assert np.array_equal(second.test, first.test)
    assert np.array_equal(unseen.test, np.flatnonzero(images.test.domains == 1))
    assert [share.domain for share in (first, second, unseen)] == ["", "", "domain 1"]
    assert [share.seen for share in (first, second, unseen)] == [True, True, False]


# Corruption


def test_every_pair_of_kind_and_severity_is_as_frequent_as_can_be(toy):
    shares = done(ComposedPartition(12, corruption=Corruption(["blur", "grey"], [1, 5])), toy())
    pairs = itertools.product(("blur", "grey"), (1, 5))
    tags = [" ".join(share.alteration.split()[:2]) for share in shares]
    assert sorted(tags) == sorted(f"{kind} {severity}" for kind, severity in pairs for _ in range(3))


def test_so_many_clients_are_corrupted_others_by_another_seed(toy):
    def who(seed):
        shares = done(ComposedPartition(10, corruption=Corruption(["noise"], clients=0.3)), toy(), seed)
        assert len({share.alteration for share in shares if share.alteration}) == 3  # each draws its own noise
        return tuple(number for number, share in enumerate(shares) if share.alteration)

    assert len(who(0)) == 3
    assert who(0) == who(0)
    assert len({who(seed) for seed in range(5)}) > 1


# Unseen clients


@pytest.mark.parametrize(("clients", "wanted"), [(2, 1), (3, 1), (7, 3), (49, 29), (10, 9), (5, 0)])
def test_exactly_so_many_clients_never_train(clients, wanted, toy):
    shares = done(ComposedPartition(clients, unseen=Unseen(wanted)), toy(test=60))
    assert sum(not share.seen for share in shares) == wanted


def test_these_clients_never_train(toy):
    assert [share.seen for share in done(ComposedPartition(4, unseen=Unseen([3, 1, 3])), toy())] == [
        True,
        False,
        True,
        False,
    ]


def test_unseen_clients_are_drawn_among_those_that_would_train(toy):
    images = toy(domains=3)
    for seed in range(8):
        _, manifest = prepared(ComposedPartition(3, unseen=Unseen(2, ["domain 0"])), images, seed)
        assert [client.seen for client in manifest.clients].count(False) == 3
        assert not manifest.clients[3].seen


def test_no_choice_changes_another(toy):
    images = toy(train=300, test=200)
    plain = {
        "concept": LabelNoise(clients=0.5),
        "corruption": Corruption(["noise"], clients=0.5),
        "unseen": Unseen(3),
    }
    told = {
        "concept": lambda s: None if s.train_labels is None else s.train_labels.tolist(),
        "corruption": lambda s: s.alteration,
        "unseen": lambda s: s.seen,
    }
    together = done(ComposedPartition(8, Dirichlet(), **plain), images, 3)
    for name, value in plain.items():
        alone = done(ComposedPartition(8, Dirichlet(), **{name: value}), images, 3)
        assert list(map(told[name], alone)) == list(map(told[name], together))
        assert all(np.array_equal(a.train, b.train) for a, b in zip(alone, together, strict=True))
        assert len({str(told[name](share)) for share in alone}) > 1


# Unseen domains


def test_an_unseen_domain_is_one_more_client_with_all_of_it(toy):
    images = toy(train=120, test=60, domains=4)
    rule = ComposedPartition(6, Dirichlet(), Domains(), min_train=2)
    shares = split_without_domains(images, ["domain 3", "domain 1"], lambda left: split(rule, left))
    assert [share.domain for share in shares] == ["domain 0"] * 3 + ["domain 2"] * 3 + ["domain 1", "domain 3"]
    assert [share.seen for share in shares] == [True] * 6 + [False] * 2
    for name, examples in (("train", images.train), ("test", images.test)):
        assert np.array_equal(np.sort(np.concatenate([getattr(s, name) for s in shares])), np.arange(len(examples)))
        for share in shares:
            assert {images.domains[n] for n in examples.domains[getattr(share, name)]} == {share.domain}


def test_no_unseen_domain_changes_nothing(toy):
    images, shares = toy(), []
    assert split_without_domains(images, [], lambda left: shares if left is images else None) is shares


# Base and new classes


@pytest.mark.parametrize(("classes", "part", "base"), [(10, 0.5, 5), (11, 0.5, 6), (10, 0.3, 7), (10, 0.2, 8)])
def test_the_first_classes_rounded_up_are_the_base(classes, part, base, toy):
    images = toy(train=300, test=200, classes=classes)
    left = split_base_to_new(images, part)
    assert left.classes == images.classes[:base]
    assert left.groups == images.groups[:base]
    assert left.newcomers.classes == images.classes[base:]
    for split, whole in ((left.train, images.train), (left.test, images.test)):
        assert split.digests == tuple(d for d, k in zip(whole.digests, whole.labels, strict=True) if k < base)
    assert len(left.newcomers.test) == np.count_nonzero(images.test.labels >= base)
    for number in range(len(left.newcomers.test)):
        assert left.newcomers.test.fetch(number).getpixel((0, 0))[0] == left.newcomers.test.labels[number] + base


def test_no_new_classes_change_nothing(toy):
    images = toy()
    assert split_base_to_new(images, 0.0) is images


# From the first to the last step, images keep their labels


def pixel(examples, number):
    return examples.fetch(int(number)).getpixel((0, 0))


EVERYTHING = {
    "plain": ComposedPartition(5, Dirichlet(0.3)),
    "few shots": ComposedPartition(5, Dirichlet(0.3), shots=2),
    "the papers' few shots": ComposedPartition(5, Classes(), shots=2, shots_fixed_draw=2023),
    "domains": ComposedPartition(6, Dirichlet(0.3), Domains(), shots=3, unseen=Unseen(1, ["domain 0"])),
    "new classes": ComposedPartition(4, Dirichlet(0.3), unseen=Unseen(classes=0.4)),
    "copies": ComposedPartition(5, Classes(3, overlap=True, copies=True), quantity=Lognormal()),
    "explicit sizes": ComposedPartition(4, Dirichlet(), Mixture(), ExplicitSizes([20, 5, 30, 10])),
    "all at once": ComposedPartition(
        5,
        Dirichlet(0.5),
        Mixture(0.5),
        Lognormal(),
        long_tail=3.0,
        shots=4,
        concept=Permutation(2, clients=0.6),
        unseen=Unseen(1, ["domain 2"], 0.3),
        test="global",
    ),
}


@pytest.mark.parametrize("rule", EVERYTHING.values(), ids=EVERYTHING)
@pytest.mark.parametrize("corrupted", [False, True])
def test_every_image_keeps_its_label_from_the_split_to_the_claim(rule, corrupted, toy):
    if corrupted:  # one pixel has nothing to blur, so it still tells what it is
        rule = replace(rule, corruption=Corruption(["blur"], [1, 5], clients=0.7))
    loaded = toy(train=400, test=200, classes=9, domains=3)
    images, manifest = prepared(rule, loaded, seed=2)
    trained, measured = (
        list_rows(part, [getattr(s, name) for s in manifest.shares()], [s.alteration for s in manifest.clients])
        for name, part in (("train", images.train), ("test", images.test))
    )
    claims = client_indices(manifest, trained, measured)
    assert len(claims) == len(manifest.clients)
    for claim, holding in zip(claims, manifest.clients, strict=True):
        names = {}
        for rows, labels, appearance, positions, examples, own in (
            (claim.train, claim.train_labels, trained, holding.train, images.train, holding.train_labels),
            (claim.test, claim.test_labels, measured, holding.test, images.test, holding.test_labels),
        ):
            assert len(rows) == len(labels) == len(positions)
            for row, label, position in zip(rows.tolist(), labels.tolist(), positions, strict=True):
                told = pixel(appearance.examples, row)
                assert told == pixel(examples, position)
                assert told[0] == examples.labels[position]
                assert told[2] % 2 == (examples is images.test)
                assert names.setdefault(told[0], label) == label
                assert own or label == told[0]
                assert appearance.examples.digests[row].startswith(examples.digests[position]) or holding.alteration
    assert bool(rule.unseen.classes) == (images.newcomers is not None)


def test_a_manifest_brings_back_all_that_was_decided(toy, tmp_path):
    loaded = toy(train=400, test=200, classes=9, domains=3)
    rule = replace(EVERYTHING["all at once"], corruption=Corruption(["noise", "grey"], [2], 0.5))
    _, manifest = prepared(rule, loaded, seed=1)
    manifest.write(tmp_path / "partition.json")
    again = FromManifest(str(tmp_path / "partition.json"), unseen=Unseen(classes=0.3))
    assert again.problems() == []
    _, back = prepared(again, loaded, seed=77)
    assert back.split_sha256 == manifest.split_sha256
    assert [holding.deviations for holding in back.clients] == [holding.deviations for holding in manifest.clients]
    assert any(holding.deviations for holding in back.clients)
