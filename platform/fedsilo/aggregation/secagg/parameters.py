"""What all sides of a secure sum agree on before it begins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fedsilo.aggregation.secagg.encoding import (
    MOST_NUMBER,
    Reader,
    encode_bytes,
    encode_number,
    encode_numbers,
    malformed,
)
from fedsilo.aggregation.secagg.graph import EXPOSURE, exposure
from fedsilo.core.errors import ProtocolViolation, ScenarioError

GRAPHS = ("complete", "neighbours")
FEWEST = 3
"""Fewest clients in a sum: of two clients, each can compute the other's vector."""
UNKNOWN = 2
"""Fewest vectors in an opened sum that are unknown to clients that work together: a single one could be computed."""


def curious(colluding: int) -> int:
    """Counts the vectors of an opened sum that a set of colluding clients knows.

    A client that works alone still knows its own vector, noise included, and can subtract it.

    Args:
        colluding: Number of colluding clients.

    Returns:
        At least one.
    """
    return max(colluding, 1)


def default_threshold(clients: int, colluding: int = 0) -> int:
    """Computes the default threshold for n clients of which c may collude.

    It is floor(2n/3) + 1, or more where collusion needs it.

    Args:
        clients: n.
        colluding: c.

    Returns:
        The threshold t.

    Raises:
        ScenarioError: There are too few clients for a safe threshold.
    """
    threshold = max(2 * clients // 3 + 1, (clients + colluding) // 2 + 1, curious(colluding) + UNKNOWN)
    if clients < FEWEST or colluding < 0 or threshold > clients:
        raise ScenarioError(
            f"secure sum: {clients} clients with {colluding} colluding have no safe threshold. "
            f"At least {FEWEST} clients must take part, and two more than collude."
        )
    return threshold


@dataclass(frozen=True, slots=True)
class Parameters:
    """The clients and the size of a sum, and how many clients must stay.

    `threshold` is about the whole federation: with fewer clients at any stage the round is given up. So at least
    `unknown`
    vectors of every opened sum are unknown to the colluding clients, and to any single client, which knows its own;
    shares
    of noise are scaled for that number. `quorum` is about one client's secrets: that many shares of a secret open it.
    On the
    complete graph every client holds a share of every client's secrets, and the two are the same number. On the
    neighbours'
    graph a client's secrets are shared among its neighbours and itself, and the quorum is the smaller, local number.

    Attributes:
        clients: Numbers of the clients that may take part, ascending, each below 2**32 - 1.
        threshold: Clients that must finish every stage; t.
        dim: Coordinates of a vector; d.
        colluding: Clients that may work together with the coordinator; c.
        graph: 'complete', or 'neighbours' for a random graph of `neighbours` each.
        neighbours: Clients that a client masks with; 0 on the complete graph.
        quorum: Shares that open a secret; 0 stands for the threshold, on the complete graph.
        bits: Bits of a coordinate; only 32 is supported.
    """

    clients: tuple[int, ...]
    threshold: int
    dim: int
    colluding: int = 0
    graph: str = "complete"
    neighbours: int = 0
    quorum: int = 0
    bits: int = 32

    @property
    def unknown(self) -> int:
        """Fewest vectors in an opened sum that no client and no colluding clients know: t - max(c, 1)."""
        return self.threshold - curious(self.colluding)

    @property
    def shares(self) -> int:
        """Shares that open a secret."""
        return self.quorum or self.threshold

    def problems(self) -> list[str]:
        """Checks whether the parameters are safe.

        Returns:
            One line for each problem, with what would be right; empty where there is none.
        """
        n, t, c = len(self.clients), self.threshold, self.colluding
        numbered = list(self.clients) == sorted(set(self.clients)) and all(0 <= i <= MOST_NUMBER for i in self.clients)
        checks = [
            (numbered, f"clients: must be ascending numbers in [0, {MOST_NUMBER}], got {self.clients}."),
            (n >= FEWEST, f"clients: a secure sum needs at least {FEWEST}, got {n}."),
            (c >= 0, f"colluding: must be 0 or more, got {c}."),
            (t <= n, f"threshold: {t} of {n} clients can never be there. Use at most {n}."),
            (t > c, f"threshold: {c} colluding clients are {t} clients by themselves. Use more than {c}."),
            (
                self.unknown >= UNKNOWN,
                f"threshold: of a sum of {t} vectors {curious(c)} can be subtracted by their own clients, and "
                f"{self.unknown} is left to read. Use at least {curious(c) + UNKNOWN}.",
            ),
            (1 <= self.dim < 2**32, f"dim: must be in [1, 2**32), got {self.dim}."),
            (self.bits == 32, f"bits: only 32 are supported, got {self.bits}."),
            (self.graph in GRAPHS, f"graph: must be one of {', '.join(GRAPHS)}, got '{self.graph}'."),
        ]
        found = [line for fine, line in checks if not fine]
        return found or (self._sparse_problems() if self.graph == "neighbours" else self._complete_problems())

    def _complete_problems(self) -> list[str]:
        n, t, c = len(self.clients), self.threshold, self.colluding
        split = f"threshold: {t} of {n} lets a lying coordinator open both secrets of a client with {c} colluding."
        checks = [
            (2 * t > n + c, f"{split} Use at least {(n + c) // 2 + 1}."),
            (self.quorum in (0, t), f"quorum: is the threshold {t} on the complete graph, got {self.quorum}."),
            (self.neighbours == 0, f"neighbours: only with graph: neighbours, got {self.neighbours}."),
        ]
        return [line for fine, line in checks if not fine]

    def _sparse_problems(self) -> list[str]:
        n, k, q = len(self.clients), self.neighbours, self.quorum
        if not (2 <= k < n and 2 <= q <= k):
            return [f"neighbours, quorum: 2 <= quorum <= neighbours < {n} clients must hold, got {q} and {k}."]
        risk = exposure(n, self.colluding, k, q)
        if risk > EXPOSURE:
            return [
                f"quorum: {self.colluding} colluding clients hold {q} shares of some client's secrets with "
                f"probability {risk:.1e}. Use a larger quorum and more neighbours (graph.neighbours_needed)."
            ]
        return []

    def check(self) -> None:
        """Refuses parameters with problems.

        Raises:
            ProtocolViolation: There are problems; the message is the first one.
        """
        if problems := self.problems():
            raise ProtocolViolation(f"secure sum: {problems[0]}", reason="parameters")

    def digest(self, context: bytes) -> bytes:
        """Hashes the context of a round with these parameters; the hash is in every message of the round.

        Args:
            context: What names this round and no other.

        Returns:
            32 bytes.
        """
        return hashlib.sha256(b"fedsilo secure sum 1" + encode_bytes(context) + self.to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """Encodes the parameters for `from_bytes`; only parameters without problems are sure to have an encoding."""
        values = (self.threshold, self.dim, self.colluding, self.neighbours, self.quorum, self.bits)
        return encode_numbers(self.clients) + b"".join(
            encode_number(value) for value in (GRAPHS.index(self.graph), *values)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Parameters:
        """Decodes parameters, which may have problems.

        Args:
            data: The encoding.

        Returns:
            The parameters.

        Raises:
            ProtocolViolation: The bytes are no encoding of parameters.
        """
        reader = Reader(data)
        clients = reader.read_numbers()
        graph, threshold, dim, colluding, neighbours, quorum, bits = (reader.read_number() for _ in range(7))
        reader.finish()
        if graph >= len(GRAPHS):
            raise malformed(f"no graph of number {graph}")
        return cls(clients, threshold, dim, colluding, GRAPHS[graph], neighbours, quorum, bits)
