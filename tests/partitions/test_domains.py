import numpy as np
import pytest

from fedsilo.errors import DataError
from fedsilo.partitions.domains import Domains
from fedsilo.partitions.domains_dirichlet import DomainsDirichlet


def test_each_domain_is_one_client_in_domain_order(toy):
    images = toy(domains=3)
    shares = Domains().split(images, np.random.default_rng(0))
    assert [share.domain for share in shares] == ["domain 0", "domain 1", "domain 2"]
    for number, share in enumerate(shares):
        assert set(images.train.domains[share.train]) == {number}
        assert set(images.test.domains[share.test]) == {number}


def test_data_without_domains_is_refused_with_what_to_use(toy):
    with pytest.raises(DataError, match=r"this data has one \('domain 0'\)\. Use .* 'iid', 'dirichlet' or 'classes'"):
        Domains().split(toy(domains=1), np.random.default_rng(0))


@pytest.mark.parametrize("rule", [Domains(), DomainsDirichlet(1)])
def test_every_domain_without_a_split_is_named(rule, toy):
    images = toy(domains=4)
    images.test.domains[np.isin(images.test.domains, [1, 3])] = 0
    with pytest.raises(DataError, match=r"there are 0 in domain 'domain 1'.*there are 0 in domain 'domain 3'"):
        rule.split(images, np.random.default_rng(0))


def test_one_client_per_domain_and_dirichlet_is_the_domain_split(toy):
    images = toy(domains=3)
    plain = Domains().split(images, np.random.default_rng(0))
    dealt = DomainsDirichlet(1, beta=0.1).split(images, np.random.default_rng(0))
    for one, other in zip(plain, dealt, strict=True):
        assert np.array_equal(one.train, other.train)
        assert np.array_equal(one.test, other.test)
