"""Impossible splits are refused in one line with numbers and a remedy."""

import numpy as np
import pytest

from fedsilo.core import Corruption, Unseen
from fedsilo.core.errors import DataError
from fedsilo.partitioning.dealing.base_to_new import split_base_to_new
from fedsilo.partitioning.dealing.post_partition_steps import apply_post_split, split_without_domains
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.concept.label_noise import LabelNoise
from fedsilo.partitioning.shifts.concept.permutation import Permutation
from fedsilo.partitioning.shifts.feature.covariate import Covariate
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.feature.mixture import Mixture
from fedsilo.partitioning.shifts.label.classes import Classes
from fedsilo.partitioning.shifts.label.coarse_dirichlet import CoarseDirichlet
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.label.dirichlet_by_client import DirichletByClient
from fedsilo.partitioning.shifts.label.shards import Shards
from fedsilo.partitioning.shifts.quantity.dirichlet import DirichletSizes
from fedsilo.partitioning.shifts.quantity.sizes import ExplicitSizes

HUGE = 10**12
NAN, INFINITE = float("nan"), float("inf")


def no_look(examples):
    raise AssertionError("nothing here asks for features")


@pytest.mark.parametrize(
    ("shift", "keys"),
    [
        (Dirichlet(0.0), ["beta"]),
        (Dirichlet(-1.0), ["beta"]),
        (Dirichlet(NAN), ["beta"]),
        (DirichletByClient(INFINITE), ["beta"]),
        (CoarseDirichlet(0.0, -1.0), ["beta", "fine_beta"]),
        (DirichletSizes(0.0), ["beta"]),
        (Mixture(0.0, [{}, {"domain 0": -1.0}, {"domain 0": 0.0}]), ["beta", "weights.0", "weights.1", "weights.2"]),
        (Mixture(weights=[{"domain 0": NAN}, {"domain 0": INFINITE}]), ["weights.0", "weights.1"]),
        (Domains({"domain 0": 0, "domain 1": -2}), ["clients_of.domain 0", "clients_of.domain 1"]),
        (ExplicitSizes(), ["of"]),
        (ExplicitSizes([0, -3]), ["of"]),
        (Classes(overlap=True), ["overlap"]),
        (Classes(copies=True), ["copies", "copies"]),
        (Classes(2, copies=True), ["copies"]),
        (Classes(2, overlap=True, uneven=(0.6, 0.4)), ["uneven"]),
        (Classes(2, overlap=True, uneven=(0.0, 0.4)), ["uneven"]),
        (Classes(2, overlap=True, uneven=(1.0, INFINITE)), ["uneven"]),
        (Classes(2, overlap=True, uneven=(NAN, 1.0)), ["uneven"]),
        (Classes(uneven=(0.4, 0.6)), ["uneven"]),
        (Classes(2, remainder="last"), ["remainder"]),
        (Classes(2, overlap=True, fixed_draw=2023), ["fixed_draw"]),
        (Permutation(1), ["swapped"]),
        (Classes(2, overlap=True, copies=True), []),
        (Classes(2, fixed_draw=2023), []),
        (Permutation(0), []),
    ],
    ids=str,
)
def test_impossible_keys_are_named_before_any_data_is_read(shift, keys):
    assert [line.split(": ")[0] for line in shift.problems()] == keys


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ComposedPartition(101), "101 clients with at least 1 train example each need 101, there are 100. At most 100"),
        (
            ComposedPartition(41),
            "41 clients with at least 1 test example each need 41, there are 40. At most 40 clients fit",
        ),
        (ComposedPartition(HUGE), f"{HUGE} clients with at least 1 train example each need {HUGE}, there are 100"),
        (ComposedPartition(HUGE, feature=Domains()), f"each need {HUGE}, there are 100"),
        (ComposedPartition(HUGE, feature=Mixture()), f"each need {HUGE}, there are 100"),
        (
            ComposedPartition(30, Dirichlet(), min_test=2),
            "at least 2 test examples each need 60, there are 40. At most 20",
        ),
        (
            ComposedPartition(30, min_train=4),
            "at least 4 train examples each need 120, there are 100. At most 25 clients fit",
        ),
        (
            ComposedPartition(1, min_train=HUGE),
            f"1 client with at least {HUGE} train examples each need {HUGE}, there are 100",
        ),
        (
            ComposedPartition(2, min_test=HUGE),
            f"at least {HUGE} test examples each need {2 * HUGE}, there are 40. No client",
        ),
        (
            ComposedPartition(60, Dirichlet(), Domains()),
            "30 clients with at least 1 test example each need 30, there are 20 in",
        ),
        (
            ComposedPartition(10, Dirichlet(), Mixture(), min_train=11),
            "at least 11 train examples each need 110, there are 100",
        ),
        (
            ComposedPartition(10, long_tail=1e6, min_train=9),
            "10 clients with at least 9 train examples each need 90, there are",
        ),
        (
            ComposedPartition(6, Classes()),
            "6 clients cannot own disjoint groups of 5 classes. Use at most 5 clients, label",
        ),
        (
            ComposedPartition(4, Classes(2)),
            "2 classes for each of 4 clients are more than the 5 there are. Use fewer, or over",
        ),
        (
            ComposedPartition(4, Classes(6, overlap=True)),
            "6 classes for each of 4 clients are more than the 5 there are. Use f",
        ),
        (ComposedPartition(4, Classes(HUGE, overlap=True)), f"{HUGE} classes for each of 4 clients"),
        (
            ComposedPartition(40, Classes(1, overlap=True)),
            "too few test examples of their own classes for client ",
        ),
        (
            ComposedPartition(30, Shards(4)),
            "30 clients with 4 shards each need 120 training examples, there are 100. Use fewer",
        ),
        (ComposedPartition(4, Shards(HUGE)), f"4 clients with {HUGE} shards each need {4 * HUGE} training examples"),
        (ComposedPartition(4, Classes(), Mixture()), "this label shift deals all images of a client from one pool"),
        (
            ComposedPartition(4, CoarseDirichlet(), Mixture()),
            "Use iid, dirichlet, dirichlet_by_client or shards, or the feature",
        ),
        (
            ComposedPartition(1, feature=Domains()),
            "1 client cannot be spread over 2 domains, each with a client of its own",
        ),
        (
            ComposedPartition(3, feature=Domains({"domain 0": 3})),
            "3 clients cannot be spread over 2 domains with clients_of",
        ),
        (
            ComposedPartition(3, feature=Domains({"domain 0": 1, "domain 1": 1})),
            "3 clients cannot be spread over 2 domains",
        ),
        (
            ComposedPartition(9, feature=Domains({"domain 0": 10})),
            "9 clients cannot be spread over 2 domains with clients_of",
        ),
        (
            ComposedPartition(feature=Domains({"domain 0": HUGE})),
            f"clients_of: {HUGE + 1} clients for 100 images. Use fewer",
        ),
        (ComposedPartition(feature=Domains({"photo": 1})), "no domain 'photo'. There are domain 0, domain 1"),
        (
            ComposedPartition(feature=Mixture(weights=[{"photo": 1.0}])),
            "no domain 'photo'. There are domain 0, domain 1",
        ),
        (
            ComposedPartition(3, feature=Mixture(weights=[{"domain 0": 1.0}])),
            "1 mixtures for 3 clients. Write one for each",
        ),
        (
            ComposedPartition(feature=Mixture(weights=[{"domain 0": 1.0}])),
            "no client draws from 'domain 1'. Let one do so, or",
        ),
        (
            ComposedPartition(
                feature=Mixture(weights=[{"domain 0": 1, "domain 1": 1}, {"domain 1": 1}, {"domain 1": 1}])
            ),
            "client 1 would have to get 8 of its 33 training images from domains that it does not draw from",
        ),
        (
            ComposedPartition(4, feature=Covariate(5)),
            "5 clusters for 4 clients leave a cluster without client. Use at most",
        ),
        (
            ComposedPartition(4, quantity=ExplicitSizes([30, 40])),
            "2 sizes for 4 clients. Give one for each client, and none for the",
        ),
        (
            ComposedPartition(4, quantity=ExplicitSizes([30, 40, 20, 11])),
            "sizes add up to 101 training images, there are 100. Use smaller",
        ),
        (
            ComposedPartition(2, quantity=ExplicitSizes([HUGE, HUGE])),
            f"sizes add up to {2 * HUGE} training images, there are 100",
        ),
        (
            ComposedPartition(2, feature=Domains(), quantity=ExplicitSizes([50, 51])),
            "add up to 51 training images, there are 50 in 'd",
        ),
        (
            ComposedPartition(2, feature=Mixture(), quantity=ExplicitSizes([50, 51])),
            "add up to 101 training images, there are 100.",
        ),
        (
            ComposedPartition(2, quantity=ExplicitSizes([5, 1]), min_train=2),
            "a size of 1 is below partition.min_train=2. Raise the size",
        ),
        (
            ComposedPartition(5, Classes(), quantity=ExplicitSizes([90])),
            "90 training images are not available for a client that the label",
        ),
    ],
    ids=str,
)
def test_the_impossible_is_one_line_with_numbers(rule, words, toy):
    with pytest.raises(DataError) as caught:
        rule.split(toy(), np.random.default_rng(0), no_look)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 420


@pytest.mark.parametrize(
    ("feature", "words"),
    [(Domains(), "'domains' needs several domains"), (Mixture(), "'mixture' needs several domains")],
)
def test_one_domain_that_is_left_needs_no_feature_shift(feature, words, toy):
    images, rule = toy(domains=2), ComposedPartition(2, feature=feature)
    with pytest.raises(DataError, match=rf"{words}.*there is one \('domain 1'\).*remove partition.feature"):
        split_without_domains(images, ["domain 0"], lambda left: rule.split(left, np.random.default_rng(0), no_look))
    shares = split_without_domains(
        images, ["domain 0"], lambda left: ComposedPartition(2).split(left, np.random.default_rng(0), no_look)
    )
    assert [share.domain for share in shares] == ["domain 1", "domain 1", "domain 0"]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ComposedPartition(4, unseen=Unseen(4)), "4 of 4 clients that train cannot be left out. Use 0 to 3"),
        (ComposedPartition(4, unseen=Unseen(50)), "50 of 4 clients that train cannot be left out. Use 0 to 3"),
        (ComposedPartition(4, unseen=Unseen(-1)), "-1 of 4 clients that train cannot be left out"),
        (ComposedPartition(4, unseen=Unseen([0, 4, -1])), "no client 4, -1, there are 0 to 3"),
        (
            ComposedPartition(4, unseen=Unseen([0, 1, 2, 3, 3])),
            "4 of 4 clients that train are named, so that no client trains. Name fewer",
        ),
        (
            ComposedPartition(4, concept=Permutation(6)),
            "6 classes cannot exchange names, there are 5. Use fewer, or 0 for all",
        ),
    ],
    ids=str,
)
def test_impossible_steps_after_the_split_are_one_line_too(rule, words, toy):
    images = toy()
    shares = rule.split(images, np.random.default_rng(0), no_look)
    with pytest.raises(DataError) as caught:
        apply_post_split(images, shares, rule, 0)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("domains", "words"),
    [
        (["photo"], "no domain 'photo'. There are domain 0, domain 1"),
        (["domain 0", "domain 1"], "names all domains, so that no client trains"),
        (["domain 1"], "no test image of 'domain 1', so nothing could be measured"),
    ],
)
def test_domains_that_cannot_be_left_out_are_refused(domains, words, toy):
    images = toy()
    images.test.domains[:] = 0
    with pytest.raises(DataError, match=words):
        split_without_domains(images, domains, lambda left: [])


@pytest.mark.parametrize(
    ("part", "classes", "left", "new"), [(0.99, 10, 1, 9), (0.05, 10, 10, 0), (0.5, 3, 2, 1), (0.5, 2, 1, 1)]
)
def test_less_than_two_classes_on_a_side_are_refused(part, classes, left, new, toy):
    with pytest.raises(DataError, match=rf"{part} of {classes} classes leaves {left} to train on and {new} new"):
        split_base_to_new(toy(classes=classes), part)


def test_a_corruption_of_no_client_alters_nothing(toy):
    rule = ComposedPartition(4, corruption=Corruption(["blur"], clients=0.0), concept=LabelNoise(clients=0.0))
    images = toy()
    for share in apply_post_split(images, rule.split(images, np.random.default_rng(0), no_look), rule, 0):
        assert (share.alteration, share.train_labels, share.test_labels) == ("", None, None)
