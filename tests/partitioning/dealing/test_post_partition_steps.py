import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fedsilo.core import Corruption, Unseen
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


# Other names


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
