import numpy as np
import pytest

from fedsilo.core.errors import DataError
from fedsilo.partitioning.rules.composed import ComposedPartition
from fedsilo.partitioning.shifts.feature.domains import Domains
from fedsilo.partitioning.shifts.label.dirichlet import Dirichlet


def split(images, label=None, clients=None, seed=0, **keys):
    return ComposedPartition(clients, label, Domains(**keys)).split(images, np.random.default_rng(seed), no_look)


def no_look(examples):
    raise AssertionError("nothing here asks for features")


def test_each_domain_is_one_client_in_domain_order(toy):
    images = toy(domains=3)
    shares = split(images)
    assert [share.domain for share in shares] == ["domain 0", "domain 1", "domain 2"]
    for number, share in enumerate(shares):
        assert set(images.train.domains[share.train]) == {number}
        assert set(images.test.domains[share.test]) == {number}


def test_data_without_domains_is_refused_with_what_to_use(toy):
    with pytest.raises(DataError, match=r"there is one \('domain 0'\)\. Use data with several domains, or remove"):
        split(toy(domains=1))


@pytest.mark.parametrize("label", [None, Dirichlet()])
def test_every_domain_without_a_split_is_named(label, toy):
    images = toy(domains=4)
    images.test.domains[np.isin(images.test.domains, [1, 3])] = 0
    with pytest.raises(DataError, match=r"there are 0 in 'domain 1'.*there are 0 in 'domain 3'"):
        split(images, label)


def test_one_client_per_domain_and_dirichlet_is_the_domain_split(toy):
    images = toy(domains=3)
    plain = split(images)
    dealt = split(images, Dirichlet(0.1))
    for one, other in zip(plain, dealt, strict=True):
        assert np.array_equal(one.train, other.train)
        assert np.array_equal(one.test, other.test)
