import itertools
import random

import numpy as np
import pytest
from scipy.stats import hypergeom

from fedsilo.aggregation.secagg import graph
from fedsilo.core.errors import ScenarioError


@pytest.mark.parametrize(
    ("clients", "corrupt", "dropout", "neighbours", "quorum"),
    [
        (100, 0.05, 0.05, 11, 6),
        (1000, 0.05, 0.05, 31, 17),
        (10_000, 0.05, 0.05, 37, 20),
        (100, 0.20, 0.10, 31, 21),
        (1000, 0.20, 0.10, 74, 45),
        (10_000, 0.20, 0.10, 87, 53),
        (1000, 0.33, 0.33, 309, 158),
    ],
)
def test_neighbourhoods_of_the_design(
    clients: int, corrupt: float, dropout: float, neighbours: int, quorum: int
) -> None:
    assert graph.neighbours_needed(clients, corrupt, dropout) == graph.Neighbourhood(neighbours, quorum)


def test_no_neighbourhood_is_said() -> None:
    with pytest.raises(ScenarioError, match="10 clients of which 5 collude and 5 drop out"):
        graph.neighbours_needed(10, 0.5, 0.5)


@pytest.mark.parametrize(("n", "marked", "drawn"), [(99, 5, 11), (999, 50, 31), (20, 0, 5), (20, 20, 5), (9, 7, 9)])
def test_tails_are_those_of_the_hypergeometric_distribution(n: int, marked: int, drawn: int) -> None:
    expected = hypergeom.sf(np.arange(-1, drawn + 1), n, marked, drawn)
    np.testing.assert_allclose(graph.hypergeometric_tail(n, marked, drawn), expected, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("n", range(3, 12))
def test_everybody_has_k_neighbours_and_all_hang_together(n: int) -> None:
    clients = range(0, 7 * n, 7)
    for k in range(2, n):
        found = graph.sparse_graph(clients, k, b"seed")
        assert all(one in found[other] for one in clients for other in found[one])
        assert all(one not in found[one] for one in clients)
        odd = k % 2 and n % 2 and k < n - 1
        assert sorted(len(others) for others in found.values()) == [k] * (n - 1) + [k + 1 if odd else k]
        assert graph.is_connected(found, clients)


@pytest.mark.parametrize(("n", "k"), [(8, 3), (9, 4), (9, 5), (10, 5)])
def test_no_fewer_than_k_lost_clients_part_the_rest(n: int, k: int) -> None:
    """Harary's theorem, which is why drop-outs seldom part a sparse graph."""
    found = graph.sparse_graph(range(n), k, b"seed")
    for lost in itertools.combinations(range(n), k - 1):
        assert graph.is_connected(found, set(range(n)) - set(lost))


@pytest.mark.parametrize(("n", "share"), [(100, 0.05), (200, 0.1), (100, 0.2)])
def test_the_honest_survivors_hang_together(n: int, share: float) -> None:
    size = graph.neighbours_needed(n, share, 0.1)
    chance = random.Random(n)
    for round in range(200):
        found = graph.sparse_graph(range(n), size.neighbours, b"%d" % round)
        gone = chance.sample(range(n), int(n * (share + 0.1)))
        assert graph.is_connected(found, set(range(n)) - set(gone))


def test_the_order_depends_on_the_seed_and_not_on_the_order_of_clients() -> None:
    first = graph.sparse_graph(range(30), 4, b"one")
    assert first == graph.sparse_graph(list(reversed(range(30))), 4, b"one")
    assert first != graph.sparse_graph(range(30), 4, b"two")


def test_pairs_are_neighbours_equally_often() -> None:
    counts = np.zeros((12, 12))
    for seed in range(3000):
        for one, others in graph.sparse_graph(range(12), 4, b"%d" % seed).items():
            counts[one, list(others)] += 1
    apart = counts[~np.eye(12, dtype=bool)]
    assert apart.mean() == 3000 * 4 / 11
    assert np.max(np.abs(apart - apart.mean())) < 5 * np.sqrt(3000 * 4 / 11 * 7 / 11)


def test_parts_are_found() -> None:
    ring = graph.sparse_graph(range(8), 2, b"seed")
    order = [0]
    while len(order) < 8:
        order.append(next(iter(ring[order[-1]] - set(order))))
    assert graph.is_connected(ring, set(range(8)) - {order[2]})
    assert not graph.is_connected(ring, set(range(8)) - {order[2], order[5]})
    assert graph.is_connected(ring, ())
    assert graph.is_connected(ring, {3})
