"""What every partition promises, on data of any size."""

import contextlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.contracts import LabelledImages, Partition, Share
from fedsilo.errors import DataError
from fedsilo.manifest import freeze
from fedsilo.partitions.classes import Classes
from fedsilo.partitions.coarse_dirichlet import CoarseDirichlet
from fedsilo.partitions.dirichlet import Dirichlet
from fedsilo.partitions.domains import Domains
from fedsilo.partitions.domains_dirichlet import DomainsDirichlet
from fedsilo.partitions.iid import Iid
from fedsilo.partitions.manifest import FromManifest

quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)
RULES = [
    Iid(4),
    Dirichlet(4, beta=0.1),
    Dirichlet(4, beta=0.1, capped=True),
    Classes(4),
    CoarseDirichlet(4),
    Domains(),
    DomainsDirichlet(2, beta=0.1),
]


def split(rule: Partition, images: LabelledImages, seed: int = 0) -> list[Share]:
    return rule.split(images, np.random.default_rng(seed))


def assert_every_example_once(shares: list[Share], images: LabelledImages) -> None:
    for name, examples in (("train", images.train), ("test", images.test)):
        parts = [getattr(share, name) for share in shares]
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(examples)))
        assert all((np.diff(part) > 0).all() for part in parts)
        assert all(part.dtype == np.int64 and len(part) > 0 for part in parts)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_every_partition_covers_each_example_once(rule, toy):
    images = toy()
    assert_every_example_once(split(rule, images), images)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_the_same_seed_gives_the_same_split(rule, toy):
    images = toy()
    first, again = (freeze(images, split(rule, images, seed=3), {}, 3).split_sha256 for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if not isinstance(rule, Domains)], ids=lambda r: type(r).__name__
)
def test_another_seed_gives_another_split(rule, toy):
    images = toy()
    assert len({freeze(images, split(rule, images, seed), {}, 0).split_sha256 for seed in range(4)}) > 2


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_named_domain_is_the_domain_of_every_image(rule, toy):
    images = toy(domains=3)
    for share in split(rule, images):
        found = {*images.train.domains[share.train], *images.test.domains[share.test]}
        assert share.domain == (images.domains[found.pop()] if len(found) == 1 else "")


@pytest.mark.parametrize(
    "rule", [Iid(1), Dirichlet(1, beta=0.01), Classes(1), CoarseDirichlet(1)], ids=lambda rule: type(rule).__name__
)
def test_one_client_gets_everything(rule, toy):
    images = toy()
    (share,) = split(rule, images)
    assert len(share.train) == len(images.train)
    assert len(share.test) == len(images.test)


@pytest.mark.parametrize(
    "rule", [Iid(12), Dirichlet(12, beta=0.01, min_train=1), DomainsDirichlet(6, beta=0.01, min_train=1)], ids=str
)
def test_as_many_clients_as_examples_get_one_each(rule, toy):
    images = toy(train=12, test=12)
    shares = split(rule, images)
    assert_every_example_once(shares, images)
    assert all(len(share.train) == len(share.test) == 1 for share in shares)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Iid(101), "101 clients with at least 1 train example each need 101, there are 100"),
        (Iid(41), "41 clients with at least 1 test example each need 41, there are 40"),
        (Dirichlet(30, min_test=2), "at least 2 test examples each need 60, there are 40. At most 20 clients fit"),
        (Dirichlet(30, min_train=4), "at least 4 train examples each need 120, there are 100. At most 25 clients fit"),
        (DomainsDirichlet(30), "need 60, there are 50 in domain 'domain 0'"),
        (Classes(6), "6 clients cannot own disjoint groups of 5 classes"),
        (Iid(0), "clients: must be at least 1, got 0"),
        (Dirichlet(beta=0.0), "beta: must be a finite number above 0, got 0.0"),
    ],
    ids=str,
)
def test_the_impossible_is_one_line_with_numbers(rule, words, toy):
    with pytest.raises(DataError) as caught:
        split(rule, toy())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        (Iid(-1), ["clients"]),
        (Dirichlet(0, float("nan"), min_train=0, min_test=0), ["clients", "beta", "min_train", "min_test"]),
        (CoarseDirichlet(0, beta=0.0, fine_beta=-1.0), ["clients", "beta", "fine_beta"]),
        (DomainsDirichlet(0, beta=-1.0, min_train=0), ["clients_per_domain", "beta", "min_train"]),
        (Classes(0), ["clients"]),
        (FromManifest(), ["file"]),
        (FromManifest("no/such/partition.json"), ["file"]),
        (Domains(), []),
        (Dirichlet(), []),
    ],
    ids=str,
)
def test_all_impossible_keys_are_reported_at_once(rule, keys):
    assert [line.split(":")[0] for line in rule.problems()] == keys


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
    rule = Dirichlet(clients, beta=beta, min_train=min_train, capped=capped)
    shares = split(rule, images, data.draw(st.integers(0, 99)))
    assert len(shares) == clients
    assert_every_example_once(shares, images)
    assert min(len(share.train) for share in shares) >= min_train


@quick
@given(
    domains=st.integers(1, 5),
    each=st.integers(1, 4),
    beta=st.sampled_from([0.001, 0.3, 100.0]),
    size=st.integers(40, 80),
    seed=st.integers(0, 99),
)
def test_domains_dirichlet_keeps_its_promises_on_any_data(domains, each, beta, size, seed, toy):
    images = toy(train=size, test=size // 2, domains=domains, classes=4, seed=seed)
    shares = split(DomainsDirichlet(each, beta=beta), images, seed)
    assert_every_example_once(shares, images)
    assert [share.domain for share in shares] == [name for name in images.domains for _ in range(each)]
    assert min(len(share.train) for share in shares) >= 2


@quick
@given(train=st.integers(1, 90), test=st.integers(1, 90), seed=st.integers(0, 99), data=st.data())
def test_iid_sizes_differ_by_one_at_most(train, test, seed, data, toy):
    images = toy(train, test)
    shares = split(Iid(data.draw(st.integers(1, min(train, test)))), images, seed)
    assert_every_example_once(shares, images)
    assert np.ptp([len(share.train) for share in shares]) <= 1
    assert np.ptp([len(share.test) for share in shares]) <= 1


@quick
@given(classes=st.integers(2, 30), seed=st.integers(0, 99), data=st.data())
def test_class_groups_are_disjoint_and_even(classes, seed, data, toy):
    images = toy(train=40 * classes, test=40 * classes, classes=classes)
    shares = split(Classes(data.draw(st.integers(1, classes))), images, seed)
    assert_every_example_once(shares, images)
    owned = [set(images.train.labels[share.train]) for share in shares]
    assert sum(map(len, owned)) == classes
    assert max(map(len, owned)) - min(map(len, owned)) <= 1
    assert owned == [set(images.test.labels[share.test]) for share in shares]


def test_hash_seeds_do_not_change_a_manifest():
    program = (
        "import numpy as np\n"
        "from fedsilo.contracts import Examples, LabelledImages\n"
        "from fedsilo.manifest import freeze\n"
        "from fedsilo.partitions.domains_dirichlet import DomainsDirichlet\n"
        "labels, digests = np.arange(90) % 7, tuple(map(str, range(90)))\n"
        "half = Examples(labels, np.arange(90) % 3, print, digests)\n"
        "images = LabelledImages(tuple('abcdefg'), ('x', 'y', 'z'), 'a {}', half, half)\n"
        "shares = DomainsDirichlet(4, beta=0.1).split(images, np.random.default_rng(5))\n"
        "print(freeze(images, shares, {'name': 'domains_dirichlet', 'beta': 0.1}, 1).sha256)\n"
    )
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    there = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    here = io.StringIO()
    with contextlib.redirect_stdout(here):
        exec(program, {})
    assert len(here.getvalue()) == 65
    assert there.stdout == here.getvalue()
