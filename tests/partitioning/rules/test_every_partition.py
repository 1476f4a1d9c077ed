"""Promises of every partition, on data of any size."""

import contextlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.core import Corruption, LabelledImages, Partition, Share, Unseen
from fedsilo.core.errors import DataError
from fedsilo.partitioning.manifest import freeze
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.rules.domain_split import DomainSplit
from fedsilo.partitioning.rules.homo import Homo
from fedsilo.partitioning.rules.manifest import FromManifest
from fedsilo.partitioning.rules.noniid_labeldir import NoniidLabeldir
from fedsilo.partitioning.rules.noniid_labeldir100 import NoniidLabeldir100
from fedsilo.partitioning.rules.noniid_labeluni import NoniidLabeluni
from fedsilo.partitioning.rules.pathological import Pathological
from fedsilo.partitioning.shifts.concept.label_noise import LabelNoise
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.feature.mixture import Mixture
from fedsilo.partitioning.shifts.label.classes import Classes
from fedsilo.partitioning.shifts.label.coarse_dirichlet import CoarseDirichlet
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet
from fedsilo.partitioning.shifts.label.dirichlet_by_client import DirichletByClient
from fedsilo.partitioning.shifts.label.shards import Shards
from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal

quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)
RULES = {
    "iid": ComposedPartition(4),
    "dirichlet": ComposedPartition(4, Dirichlet(0.1)),
    "capped": ComposedPartition(4, Dirichlet(0.1, capped=True)),
    "dirichlet_by_client": ComposedPartition(4, DirichletByClient(0.1)),
    "classes": ComposedPartition(4, Classes()),
    "overlapping classes": ComposedPartition(5, Classes(2, overlap=True, uneven=(0.4, 0.6))),
    "shards": ComposedPartition(4, Shards()),
    "coarse_dirichlet": ComposedPartition(4, CoarseDirichlet()),
    "domains": ComposedPartition(feature=Domains()),
    "domains and dirichlet": ComposedPartition(4, Dirichlet(0.1), Domains()),
    "mixture": ComposedPartition(4, feature=Mixture()),
    "lognormal": ComposedPartition(4, quantity=Lognormal()),
    "everything": ComposedPartition(4, DirichletByClient(0.3), Mixture(), Lognormal()),
    "homo": Homo(4),
    "noniid-labeldir": NoniidLabeldir(4, least=5),
    "noniid-labeldir100": NoniidLabeldir100(4, fixed_draw=None),
    "noniid-labeluni": NoniidLabeluni(5),
    "pathological": Pathological(4, fixed_draw=None),
    "domain-split": DomainSplit(2),
}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def no_look(examples):
    raise AssertionError("nothing here asks for features")


def split(rule: Partition, images: LabelledImages, seed: int = 0) -> list[Share]:
    return rule.split(images, np.random.default_rng(seed), no_look)


def frozen(rule: Partition, images: LabelledImages, seed: int = 0) -> str:
    return freeze(images, split(rule, images, seed), {}, 0).split_sha256


def assert_every_example_once(shares: list[Share], images: LabelledImages) -> None:
    for name, examples in (("train", images.train), ("test", images.test)):
        parts = [getattr(share, name) for share in shares]
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(examples)))
        assert all((np.diff(part) > 0).all() for part in parts)
        assert all(part.dtype == np.int64 and len(part) > 0 for part in parts)


@every_rule
def test_every_partition_covers_each_example_once(rule, toy):
    images = toy()
    assert_every_example_once(split(rule, images), images)


@every_rule
def test_the_same_seed_gives_the_same_split(rule, toy):
    images = toy()
    assert frozen(rule, images, 3) == frozen(rule, images, 3)


@every_rule
def test_another_seed_gives_another_split(rule, toy):
    found = {frozen(rule, toy(), seed) for seed in range(4)}
    # With one client for each domain there is nothing to draw.
    assert len(found) == 1 if rule is RULES["domains"] else len(found) > 2


@every_rule
def test_a_named_domain_is_the_domain_of_every_image(rule, toy):
    images = toy(train=300, test=120, domains=1 if rule is RULES["pathological"] else 2)
    for share in split(rule, images):
        found = {*images.train.domains[share.train], *images.test.domains[share.test]}
        assert share.domain == (images.domains[found.pop()] if len(found) == 1 else "")


# What the rules of the first release made of these data and seeds, when each was a partition of its own: a scenario
# that says the same in today's words gets the same split.
PUBLISHED = {
    "iid": (ComposedPartition(4), "88f8dc6144f3212e"),
    "dirichlet": (ComposedPartition(6, Dirichlet(0.1), min_train=2), "50a31f9745ab9431"),
    "capped": (ComposedPartition(6, Dirichlet(0.1, capped=True), min_train=10, min_test=4), "943d1f2b3be49866"),
    "classes": (ComposedPartition(4, Classes()), "d2f816d23d7aeb04"),
    "last classes": (ComposedPartition(4, Classes(remainder="last", fixed_draw=2023)), "f8441fed5be0042a"),
    "coarse_dirichlet": (ComposedPartition(8, CoarseDirichlet()), "33766134fa90a1ce"),
    "fixed coarse_dirichlet": (ComposedPartition(8, CoarseDirichlet(fixed_draw=12345)), "5a31126f30f17e22"),
    "domains": (ComposedPartition(feature=Domains()), "8f802d7c3560cf94"),
    "domains_dirichlet": (ComposedPartition(9, Dirichlet(0.3), Domains(), min_train=2), "9d8233353abb8aa1"),
}


@pytest.mark.parametrize(("rule", "expected"), PUBLISHED.values(), ids=PUBLISHED)
def test_the_splits_of_the_first_release_are_still_made(rule, expected, toy):
    images = toy(train=300, test=120, classes=9, domains=3, seed=2)
    assert frozen(rule, images, 7)[:16] == expected


@pytest.mark.parametrize(
    "rule", [ComposedPartition(1, Classes()), NoniidLabeldir(1), Pathological(1), Homo(1)], ids=str
)
def test_one_client_gets_everything(rule, toy):
    images = toy()
    (share,) = split(rule, images)
    assert len(share.train) == len(images.train)
    assert len(share.test) == len(images.test)


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        (FromManifest(), ["file"]),
        (FromManifest("no/such/partition.json"), ["file"]),
        (FromManifest("x", concept=LabelNoise(), test="global"), ["file", "concept", "test"]),
        (FromManifest("x", corruption=Corruption(["blur"])), ["file", "corruption"]),
        (FromManifest("x", unseen=Unseen([0], ["domain 0"])), ["file", "unseen.clients", "unseen.domains"]),
        (DomainSplit(beta=-1.0), ["beta"]),
        (NoniidLabeldir(beta=float("nan")), ["beta"]),
        (NoniidLabeldir100(beta=0.0), ["beta"]),
        (ComposedPartition(), []),
        (DomainSplit(), []),
    ],
    ids=str,
)
def test_all_impossible_keys_are_reported_at_once(rule, keys):
    assert [line.split(": ")[0] for line in rule.problems()] == keys


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Homo(101), "101 clients with at least 1 train example each need 101, there are 100"),
        (NoniidLabeldir(5), "at least 10 test examples each need 50, there are 40. At most 4 clients fit"),
        (DomainSplit(30), "30 clients with at least 2 train examples each need 60, there are 50 in 'domain 0'"),
        (Pathological(6), "6 clients cannot own disjoint groups of 5 classes"),
        (NoniidLabeluni(3, per_client=6), "6 classes for each of 3 clients are more than the 5 there are"),
    ],
    ids=str,
)
def test_the_impossible_is_one_line_with_numbers(rule, words, toy):
    with pytest.raises(DataError) as caught:
        split(rule, toy())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@quick
@given(data=st.data())
def test_dirichlet_keeps_its_promises_on_any_data(data, toy):
    clients = data.draw(st.integers(1, 30))
    min_train = data.draw(st.integers(1, 3))
    images = toy(
        train=data.draw(st.integers(clients * min_train, 120)),
        test=data.draw(st.integers(clients, 60)),
        classes=data.draw(st.integers(2, 12)),
        seed=data.draw(st.integers(0, 99)),
    )
    beta, capped = data.draw(st.sampled_from([1e-6, 0.01, 0.3, 10.0, 1e6])), data.draw(st.booleans())
    rule = ComposedPartition(clients, Dirichlet(beta, capped), min_train=min_train)
    shares = split(rule, images, data.draw(st.integers(0, 99)))
    assert len(shares) == clients
    assert_every_example_once(shares, images)
    assert min(len(share.train) for share in shares) >= min_train


@quick
@given(
    domains=st.integers(2, 5),
    each=st.integers(1, 4),
    beta=st.sampled_from([0.001, 0.3, 100.0]),
    size=st.integers(40, 80),
    seed=st.integers(0, 99),
)
def test_the_domain_split_keeps_its_promises_on_any_data(domains, each, beta, size, seed, toy):
    images = toy(train=size, test=size, domains=domains, classes=4, seed=seed)
    shares = split(DomainSplit(each, beta=beta), images, seed)
    assert_every_example_once(shares, images)
    assert [share.domain for share in shares] == [name for name in images.domains for _ in range(each)]
    assert min(min(len(share.train), len(share.test)) for share in shares) >= 2


@quick
@given(train=st.integers(1, 90), test=st.integers(1, 90), seed=st.integers(0, 99), data=st.data())
def test_iid_sizes_differ_by_one_at_most(train, test, seed, data, toy):
    images = toy(train, test)
    shares = split(ComposedPartition(data.draw(st.integers(1, min(train, test)))), images, seed)
    assert_every_example_once(shares, images)
    assert np.ptp([len(share.train) for share in shares]) <= 1
    assert np.ptp([len(share.test) for share in shares]) <= 1


@quick
@given(classes=st.integers(2, 30), seed=st.integers(0, 99), data=st.data())
def test_class_groups_are_disjoint_and_even(classes, seed, data, toy):
    images = toy(train=40 * classes, test=40 * classes, classes=classes)
    shares = split(ComposedPartition(data.draw(st.integers(1, classes)), Classes()), images, seed)
    assert_every_example_once(shares, images)
    owned = [set(images.train.labels[share.train]) for share in shares]
    assert sum(map(len, owned)) == classes
    assert max(map(len, owned)) - min(map(len, owned)) <= 1
    assert owned == [set(images.test.labels[share.test]) for share in shares]


def test_hash_seeds_do_not_change_a_manifest():
    program = (
        "import numpy as np\n"
        "from fedsilo.partitioning.dealing.post_partition_steps import apply_post_split\n"
        "from fedsilo.core import Corruption, Examples, LabelledImages, Unseen\n"
        "from fedsilo.partitioning.dealing.few_shot import draw_shots\n"
        "from fedsilo.partitioning.manifest import freeze\n"
        "from fedsilo.partitioning.rules.composed import ComposedPartition\n"
        "from fedsilo.partitioning.shifts.concept.permutation import Permutation\n"
        "from fedsilo.partitioning.shifts.feature.mixture import Mixture\n"
        "from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet\n"
        "from fedsilo.partitioning.shifts.quantity.lognormal import Lognormal\n"
        "labels, digests = np.arange(90) % 7, tuple(map(str, range(90)))\n"
        "half = Examples(labels, np.arange(90) % 3, print, digests)\n"
        "images = LabelledImages(tuple('abcdefg'), ('x', 'y', 'z'), 'a {}', half, half)\n"
        "rule = ComposedPartition(6, Dirichlet(0.3), Mixture(), Lognormal(), long_tail=3.0, shots=2,\n"
        "                unseen=Unseen(2), concept=Permutation(), corruption=Corruption(['blur', 'noise'], [1, 3]))\n"
        "shares = rule.split(images, np.random.default_rng(5), None)\n"
        "shares = apply_post_split(images, draw_shots(images, shares, rule, 5), rule, 5)\n"
        "print(freeze(images, shares, {'name': 'composed', 'clients': 6}, 1).sha256)\n"
    )
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    there = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    here = io.StringIO()
    with contextlib.redirect_stdout(here):
        exec(program, {})
    assert len(here.getvalue()) == 65
    assert there.stdout == here.getvalue()
