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
"""Clients below which a sum shows each client to the other."""
UNKNOWN = 2
"""Fewest vectors in an opened sum that are unknown to those who work together: one alone could be read off."""


def curious(colluding: int) -> int:
    """Returns how many vectors of an opened sum count as known to somebody, of so many colluding clients.

    A client that works with no other still knows its own vector, noise included, and can subtract it: at least one.
    """
    return max(colluding, 1)


def default_threshold(clients: int, colluding: int = 0) -> int:
    """Returns the threshold t for n clients of which c may collude: floor(2n/3) + 1, more where collusion asks for it.

    Raises:
        ScenarioError: No threshold is safe; there are too few clients.
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
    """Who sums what, and how many must be there.

    `threshold` is about the whole federation: fewer clients at any stage and the round is given up. So at least
    `unknown` vectors of every sum that is opened are unknown to the colluding clients, and to any single client, which
    knows its own; noise shares are calibrated to that number. `quorum` is about one client's secrets: so many of those
    who hold shares of them open one. On the complete graph everybody holds a share of everybody's, and the two are the
    same number. On the neighbours' graph a client's secrets are shared among its neighbours and itself, and the quorum
    is the smaller, local number.

    Attributes:
        clients: Numbers of the clients that may take part, ascending, each below 2**32 - 1.
        threshold: Clients that must finish every stage; t.
        dim: Coordinates of a vector; d.
        colluding: Clients that may work together with the coordinator; c.
        graph: 'complete', or 'neighbours' for a random graph of `neighbours` each.
        neighbours: Clients that a client masks with; 0 on the complete graph.
        quorum: Shares that open a secret; 0 stands for the threshold, on the complete graph.
        bits: Bits of a coordinate; residues modulo 2**32 are the only kind there is.
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
        """Returns what is wrong, one line each, each saying what would be right; empty when all is well."""
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
                f"threshold: of a sum of {t}, who sent {curious(c)} can subtract that, and {self.unknown} is left to "
                f"read. Use at least {curious(c) + UNKNOWN}.",
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
            ProtocolViolation: There are some; the message is the first.
        """
        if problems := self.problems():
            raise ProtocolViolation(f"secure sum: {problems[0]}", reason="parameters")

    def digest(self, context: bytes) -> bytes:
        """Returns the 32 bytes that stand in every message of the round: hash of its context and these parameters."""
        return hashlib.sha256(b"fedsilo secure sum 1" + encode_bytes(context) + self.to_bytes()).digest()

    def to_bytes(self) -> bytes:
        """Returns the encoding that `from_bytes` reads; only parameters without problems are sure to have one."""
        values = (self.threshold, self.dim, self.colluding, self.neighbours, self.quorum, self.bits)
        return encode_numbers(self.clients) + b"".join(
            encode_number(value) for value in (GRAPHS.index(self.graph), *values)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Parameters:
        """Returns the parameters, which may have problems.

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
