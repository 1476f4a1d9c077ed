"""What all sides of a secure sum know once the roster is out, and the keys that follow from it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from fedsilo.aggregation.secagg import key_agreement as keys
from fedsilo.aggregation.secagg.encoding import MOST_NUMBER
from fedsilo.aggregation.secagg.graph import Graph, complete_graph, sparse_graph
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.protocol_messages import Advertise, Roster


def point(client: int) -> int:
    """Returns where a client's shares are taken; never 0, where the secrets are."""
    return client + 1


assert point(MOST_NUMBER) < 2**32


@dataclass(frozen=True, slots=True)
class Session:
    """The public part of one round.

    Attributes:
        transcript: 32 bytes: hash of context, parameters and all advertisements; every key is bound to it.
        advertised: The advertisement of each client of the roster.
        graph: Each one's neighbours on the roster.
    """

    transcript: bytes
    advertised: dict[int, Advertise]
    graph: Graph

    @classmethod
    def begin(cls, parameters: Parameters, roster: Roster) -> Session:
        """Returns the session of a roster; the graph's order depends on all keys, so nobody could choose it before."""
        transcript = hashlib.sha256(roster.to_bytes()).digest()
        advertised = {entry.sender: entry for entry in roster.advertised}
        if parameters.graph == "complete":
            return cls(transcript, advertised, complete_graph(tuple(advertised)))
        whole = sparse_graph(parameters.clients, parameters.neighbours, transcript)
        return cls(transcript, advertised, {client: whole[client] & advertised.keys() for client in advertised})

    def neighbours(self, client: int, among: Collection[int]) -> list[int]:
        """Returns those of a client's neighbours that are `among` these, ascending."""
        return sorted(self.graph[client].intersection(among))

    def holders(self, client: int, among: Collection[int]) -> list[int]:
        """Returns those among these who hold shares of a client's secrets, ascending: its neighbours and itself."""
        return sorted((self.graph[client] | {client}).intersection(among))

    def pair_key(self, client: int, masking: bytes, peer: int) -> bytes:
        """Returns the key of the mask that two clients share, from the private masking key of one of them."""
        agreed = keys.agree(masking, self.advertised[peer].masking_key)
        return keys.derive(agreed, "pair", self.transcript, min(client, peer), max(client, peer))

    def own_key(self, client: int, seed: bytes) -> bytes:
        """Returns the key of the mask that is a client's alone."""
        return keys.derive(seed, "own", self.transcript, client)

    def sealing_key(self, agreed: bytes, sender: int, receiver: int) -> bytes:
        """Returns the key for the one ciphertext from sender to receiver."""
        return keys.derive(agreed, "seal", self.transcript, sender, receiver)
