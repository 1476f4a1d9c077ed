"""The public part of a round: what all sides know once the roster is sent, and the keys derived from it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from fedsilo.aggregation.secagg import key_agreement as keys
from fedsilo.aggregation.secagg.encoding import MOST_NUMBER
from fedsilo.aggregation.secagg.graph import Graph, complete_graph, sparse_graph
from fedsilo.aggregation.secagg.mask_expansion import MaskStream
from fedsilo.aggregation.secagg.modular_vectors import Residues
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.protocol_messages import Advertise, Roster


def point(client: int) -> int:
    """Computes the point at which a client's shares are taken; never 0, where the secrets are.

    Args:
        client: The client's number.

    Returns:
        A number >= 1.
    """
    return client + 1


assert point(MOST_NUMBER) < 2**32


@dataclass(frozen=True, slots=True)
class Session:
    """The public part of one round.

    Attributes:
        transcript: 32 bytes: hash of context, parameters and all advertisements; every key is bound to it.
        advertised: The advertisement of each client on the roster.
        graph: Each client's neighbours on the roster.
    """

    transcript: bytes
    advertised: dict[int, Advertise]
    graph: Graph

    @classmethod
    def begin(cls, parameters: Parameters, roster: Roster) -> Session:
        """Begins the session of a roster.

        The order on a sparse graph depends on all keys, so no party could choose it before.

        Args:
            parameters: What all sides agreed on.
            roster: The clients that take part, with their keys.

        Returns:
            The session.
        """
        transcript = hashlib.sha256(roster.to_bytes()).digest()
        advertised = {entry.sender: entry for entry in roster.advertised}
        if parameters.graph == "complete":
            return cls(transcript, advertised, complete_graph(tuple(advertised)))
        whole = sparse_graph(parameters.clients, parameters.neighbours, transcript)
        return cls(transcript, advertised, {client: whole[client] & advertised.keys() for client in advertised})

    def neighbours(self, client: int, among: Collection[int]) -> list[int]:
        """Lists a client's neighbours among some clients.

        Args:
            client: The client's number.
            among: The clients.

        Returns:
            Ascending numbers.
        """
        return sorted(self.graph[client].intersection(among))

    def holders(self, client: int, among: Collection[int]) -> list[int]:
        """Lists the clients that hold shares of a client's secrets, among some clients.

        Args:
            client: The client's number.
            among: The clients.

        Returns:
            Its neighbours and itself, ascending.
        """
        return sorted((self.graph[client] | {client}).intersection(among))

    def pair_key(self, client: int, masking: bytes, peer: int) -> bytes:
        """Derives the key of the mask that two clients share.

        Args:
            client: One of the two clients.
            masking: Its private masking key, 32 bytes.
            peer: The other client.

        Returns:
            32 bytes, the same from either side.
        """
        agreed = keys.agree(masking, self.advertised[peer].masking_key)
        return keys.derive(agreed, "pair", self.transcript, min(client, peer), max(client, peer))

    def own_key(self, client: int, seed: bytes) -> bytes:
        """Derives the key of the mask that only one client has.

        Args:
            client: The client's number.
            seed: Its seed, 32 bytes.

        Returns:
            32 bytes.
        """
        return keys.derive(seed, "own", self.transcript, client)

    def sealing_key(self, agreed: bytes, sender: int, receiver: int) -> bytes:
        """Derives the key for the one ciphertext from sender to receiver.

        Args:
            agreed: The secret that the two agreed on, 32 bytes.
            sender: Number of the sender.
            receiver: Number of the receiver.

        Returns:
            32 bytes.
        """
        return keys.derive(agreed, "seal", self.transcript, sender, receiver)

    def total_mask(self, client: int, seed: bytes, masking: bytes, peers: Collection[int], dim: int) -> Residues:
        """Computes the sum of all masks of a client.

        Of two clients that share a mask, the one with the smaller number adds it and the other one subtracts it.

        Args:
            client: The client's number.
            seed: Its seed, 32 bytes.
            masking: Its private masking key, 32 bytes.
            peers: The neighbours that it shares masks with.
            dim: Coordinates; d.

        Returns:
            (d,) residues.
        """
        total = np.zeros(dim, dtype=np.uint32)
        stream = MaskStream(dim)
        stream.add(total, self.own_key(client, seed))
        for peer in peers:
            apply = stream.add if peer > client else stream.subtract
            apply(total, self.pair_key(client, masking, peer))
        return total
