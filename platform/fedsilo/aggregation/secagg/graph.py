"""The graph of clients that mask together, and that hold shares of each other's secrets.

On a sparse graph the clients are put in a random order on a ring, and each is joined to its k nearest on it (a Harary
graph, the most robust one of its size). The order comes from a hash of public values, so all sides derive the same.

Letters: n clients, k neighbours each, q shares that open a secret.
Source: Bell et al., "Secure Single-Server Aggregation with (Poly)Logarithmic Overhead", CCS 2020; the tails below are
necessary conditions by the hypergeometric distribution, for each client and all together, not their whole theorem.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.aggregation.secagg.encoding import encode_number
from fedsilo.core.errors import ScenarioError

EXPOSURE = 2.0**-40
"""Largest chance that colluding clients hold enough shares of an honest client's secrets."""
FAILURE = 2.0**-30
"""Largest chance that drop-outs leave too few shares of some client's secrets."""

Graph = Mapping[int, frozenset[int]]
"""Each client's neighbours; a client is never its own."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The size of a sparse graph's neighbourhoods.

    Attributes:
        neighbours: Neighbours of each client; k.
        quorum: Shares that open a secret; q.
    """

    neighbours: int
    quorum: int


def complete_graph(clients: Sequence[int]) -> dict[int, frozenset[int]]:
    """Joins all clients with each other.

    Args:
        clients: Numbers of the clients.

    Returns:
        Neighbours, by client.
    """
    everyone = frozenset(clients)
    return {client: everyone - {client} for client in clients}


def sparse_graph(clients: Sequence[int], neighbours: int, seed: bytes) -> dict[int, frozenset[int]]:
    """Builds a random Harary graph.

    Args:
        clients: All that may take part, so that drop-outs do not change how many of a client's neighbours collude.
        neighbours: k; the complete graph where there are not more others than that.
        seed: Public bytes that all sides know and no party could choose.

    Returns:
        Neighbours, by client: symmetric; each client has k, but one has k + 1 where k and n are both odd.
    """
    if neighbours >= len(clients) - 1:
        return complete_graph(clients)
    ring = sorted(clients, key=lambda client: hashlib.sha256(seed + encode_number(client)).digest())
    n = len(ring)
    joined: dict[int, set[int]] = {client: set() for client in ring}
    edges = [(at, at + step) for at in range(n) for step in range(1, neighbours // 2 + 1)]
    if neighbours % 2:
        edges += [(at, at + n // 2) for at in range((n + 1) // 2)]
    for first, second in edges:
        joined[ring[first]].add(ring[second % n])
        joined[ring[second % n]].add(ring[first])
    return {client: frozenset(others) for client, others in joined.items()}


def is_connected(graph: Graph, among: Collection[int]) -> bool:
    """Checks whether clients are connected by edges among themselves.

    If they are not, opening the sum opens the sum of each part.

    Args:
        graph: Neighbours, by client.
        among: The clients.

    Returns:
        Whether every client can be reached from every other one.
    """
    left = set(among)
    reached = [left.pop()] if left else []
    while reached:
        found = graph[reached.pop()] & left
        left -= found
        reached += found
    return not left


def hypergeometric_tail(n: int, marked: int, drawn: int) -> NDArray[np.float64]:
    """Computes the tail of a hypergeometric distribution.

    Args:
        n: Size of the population.
        marked: Marked members of it.
        drawn: Members that are drawn.

    Returns:
        (drawn + 2,) probabilities that at least 0, 1, ... of the drawn members are marked.
    """
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])  # of the factorials
    hits = np.arange(drawn + 1)
    possible = (hits <= marked) & (drawn - hits <= n - marked)
    hits = hits[possible]
    chances = np.zeros(drawn + 2)
    chances[:-1][possible] = np.exp(
        logs[marked] - logs[hits] - logs[marked - hits]
        + logs[n - marked] - logs[drawn - hits] - logs[n - marked - drawn + hits]
        - logs[n] + logs[drawn] + logs[n - drawn]
    )  # fmt: skip
    return np.asarray(np.cumsum(chances[::-1])[::-1])


def exposure(clients: int, colluding: int, neighbours: int, quorum: int) -> float:
    """Bounds the probability that colluding clients are a quorum among the neighbours of any client.

    Args:
        clients: n.
        colluding: Number of colluding clients.
        neighbours: k.
        quorum: q.

    Returns:
        In [0, 1].
    """
    return float(min(1.0, clients * hypergeometric_tail(clients - 1, colluding, neighbours)[quorum]))


def failure(clients: int, dropped: int, neighbours: int, quorum: int) -> float:
    """Bounds the probability that drop-outs leave fewer than a quorum of any client's neighbours.

    Args:
        clients: n.
        dropped: Number of clients that drop out.
        neighbours: k.
        quorum: q.

    Returns:
        In [0, 1].
    """
    return float(min(1.0, clients * hypergeometric_tail(clients - 1, dropped, neighbours)[neighbours - quorum + 1]))


def neighbours_needed(clients: int, corrupt_share: float, dropout_share: float) -> Neighbourhood:
    """Finds the smallest neighbourhood that is safe (up to 2**-40) and does not fail (up to 2**-30).

    Args:
        clients: n, all of them.
        corrupt_share: Share of them that may collude, in [0, 1).
        dropout_share: Share of them that may drop out after they have given shares, in [0, 1).

    Returns:
        The neighbourhood.

    Raises:
        ScenarioError: Not even the complete graph would be safe.
    """
    corrupt, dropped = math.ceil(corrupt_share * clients), math.ceil(dropout_share * clients)
    for neighbours in range(2, clients):
        risks = clients * hypergeometric_tail(clients - 1, corrupt, neighbours)
        quorum = max(2, int(np.argmax(risks <= EXPOSURE)))  # the last is 0: there is always one
        if quorum <= neighbours and failure(clients, dropped, neighbours, quorum) <= FAILURE:
            return Neighbourhood(neighbours, quorum)
    raise ScenarioError(
        f"secure sum: {clients} clients of which {corrupt} collude and {dropped} drop out have no safe neighbourhoods. "
        "Allow for fewer of either, or use the complete graph."
    )
