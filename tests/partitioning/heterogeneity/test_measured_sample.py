import numpy as np
import pytest

from fedsilo.partitioning.heterogeneity.measured_sample import sample_images, sample_pairs


@pytest.mark.parametrize(("clients", "limit"), [(2, 10), (5, 10), (6, 10), (10_000, 500)])
def test_pairs_are_all_or_different_ones(clients, limit):
    pairs = sample_pairs(clients, limit, np.random.default_rng(0))
    assert len(pairs) == min(limit, clients * (clients - 1) // 2) == len({tuple(pair) for pair in pairs.tolist()})
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert pairs.min() >= 0
    assert pairs.max() < clients


def test_one_client_has_no_pairs():
    assert sample_pairs(1, 10, np.random.default_rng(0)).shape == (0, 2)


@pytest.mark.parametrize(
    ("sizes", "limit", "taken"),
    [
        ([5, 5], 100, [5, 5]),
        ([50, 50, 50], 30, [10, 10, 10]),
        ([3, 50, 50], 43, [3, 20, 20]),
        ([9, 0, 9], 100, [9, 9]),
        ([20], 7, [7]),
    ],
)
def test_clients_give_equally_many_images(sizes, limit, taken):
    starts = np.cumsum([0, *sizes])
    holdings = [list(range(start, start + size)) for start, size in zip(starts[:-1].tolist(), sizes, strict=True)]
    sample = sample_images(holdings, limit, np.random.default_rng(0))
    assert np.bincount(sample.owners).tolist() == taken
    for client, owner in zip(sample.clients, range(len(sample.clients)), strict=True):
        assert set(sample.positions[sample.owners == owner]) <= set(holdings[client])
    assert len(set(sample.positions)) == len(sample.positions) <= limit


def test_of_many_clients_some_are_measured_well_enough():
    sample = sample_images([list(range(40 * n, 40 * n + 40)) for n in range(500)], 200, np.random.default_rng(0))
    assert len(sample.clients) == 25
    assert np.bincount(sample.owners).tolist() == [8] * 25
