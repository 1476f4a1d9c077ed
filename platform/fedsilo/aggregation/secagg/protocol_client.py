"""The client's side of one secure sum.

A client releases three things about itself: public keys, shares sealed for others, and its vector under masks. It
refuses every message that would let the coordinator open more than the sum. After a refusal it has wiped its secrets
and takes no further part in the round.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedsilo.aggregation.secagg import graph, shamir
from fedsilo.aggregation.secagg import key_agreement as keys
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.protocol_messages import (
    Advertise,
    Mailbox,
    Masked,
    Roster,
    Sealed,
    SealedShares,
    SecretShare,
    Survivors,
    Unmask,
)
from fedsilo.aggregation.secagg.session import Session, point
from fedsilo.aggregation.secagg.signatures import Signer
from fedsilo.core.errors import ProtocolViolation

STAGES = ("advertise", "share", "prepare", "mask", "unmask", "over")


@dataclass(slots=True, repr=False)
class _Secrets:
    """What no other party may see: 32 random bytes each, and what is computed from them."""

    encryption: bytes
    masking: bytes
    seed: bytes
    agreed: dict[int, bytes] = field(default_factory=dict)  # by neighbour, for sealing
    shares: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)  # by owner: of the seed, of the masking key
    mask: NDArray[np.uint32] | None = None


class SecureClient:
    """One client in one round; it cannot be used for another.

    The calls go in the order `advertise`, `share`, `prepare`, `mask`, `unmask`, each once. All raise
    ProtocolViolation with a `reason`: 'order' for a call at another time, 'stale context' for a message of another
    round, and the reasons that each call documents.
    """

    def __init__(
        self,
        number: int,
        parameters: Parameters,
        context: bytes,
        signer: Signer | None = None,
        draw: shamir.Draw = secrets.token_bytes,
    ) -> None:
        """Begins a round.

        Args:
            number: The client's number, one of the parameters' clients.
            parameters: What all sides agreed on; refused ('parameters') when they are not safe.
            context: Names this round and no other; all sides must have the same.
            signer: Signs its advertisement and checks those of all others; without one, rosters are not checked for
                signatures.
            draw: The source of randomness; anything but the default is for tests.

        Raises:
            ProtocolViolation: 'parameters', they are not safe, or the client is not one of them.
        """
        parameters.check()
        if number not in parameters.clients:
            raise ProtocolViolation(
                f"client {number}: is not one of the clients of this sum.", client=number, reason="parameters"
            )
        self.number = number
        self._parameters, self._signer, self._draw = parameters, signer, draw
        self._context = parameters.digest(context)
        self._stage = STAGES[0]
        self._advertised: Advertise | None = None
        self._secrets: _Secrets | None = None
        self._session: Session | None = None
        self._sharers: frozenset[int] = frozenset()

    def advertise(self) -> Advertise:
        """Draws the keys of this round.

        Returns:
            The public keys, signed if there is a signer.

        Raises:
            ProtocolViolation: 'key reuse', a key was drawn before in this process: the source of randomness is broken.
        """
        with self._during("advertise", self._context):
            encryption, masking, seed = (self._draw(keys.KEY_SIZE) for _ in range(3))
            held = _Secrets(encryption, masking, seed)
            public = keys.public_key(held.encryption), keys.public_key(held.masking)
            for key in public:
                keys.claim(key)
            mine = Advertise(self._context, self.number, *public, keys.commit(held.seed, self._context, self.number))
            if self._signer:
                mine = Advertise(
                    self._context, self.number, *public, mine.commitment, self._signer.sign(mine.content())
                )
            self._secrets, self._advertised = held, mine
        return mine

    def share(self, roster: Roster) -> SealedShares:
        """Splits its two secrets among its neighbours.

        Args:
            roster: The clients that take part, with their keys.

        Returns:
            A share of both secrets for each neighbour, sealed for it.

        Raises:
            ProtocolViolation: 'too few clients' on the roster, 'unknown client', 'altered roster' (its own entry is
                not what it sent), 'repeated key', 'bad signature', 'weak key'.
        """
        with self._during("share", roster.context) as held:
            self._check_roster(roster)
            self._session = session = Session.begin(self._parameters, roster)
            peers = session.neighbours(self.number, session.graph)
            points = [point(client) for client in (self.number, *peers)]
            seeds, masking = (
                shamir.split(secret, self._parameters.shares, points, self._draw)
                for secret in (held.seed, held.masking)
            )
            held.shares[self.number] = seeds[point(self.number)], masking[point(self.number)]
            sealed = []
            for peer in peers:
                held.agreed[peer] = keys.agree(held.encryption, session.advertised[peer].encryption_key)
                key = session.sealing_key(held.agreed[peer], self.number, peer)
                plain = seeds[point(peer)] + masking[point(peer)]
                sealed.append(Sealed(peer, keys.seal(key, plain, session.transcript)))
        return SealedShares(self._context, self.number, tuple(sealed))

    def prepare(self, mailbox: Mailbox) -> None:
        """Opens the shares of others and computes the mask; afterwards `mask` is one addition.

        This is the expensive step and needs no vector, so it runs while the client trains. A ciphertext that was
        altered, or
        belongs to another sender, receiver or round, is not opened, and the client will have no share of that sender's
        secrets
        to give. So a sender that seals invalid shares stops no other client.

        Args:
            mailbox: The clients that have given shares, and the shares for this client.

        Raises:
            ProtocolViolation: 'too few clients' have given shares, 'unknown client', 'wrong shares' (not one from each
                neighbour that has given some), 'weak key'.
        """
        with self._during("prepare", mailbox.context) as held:
            session = self._known_session
            self._sharers = frozenset(mailbox.clients)
            if not {self.number} <= self._sharers <= session.graph.keys():
                raise ProtocolViolation("who has given shares is not on the roster.", reason="unknown client")
            peers = session.neighbours(self.number, self._sharers)
            self._check_enough(len(self._sharers), len(peers) + 1)
            if [sealed.peer for sealed in mailbox.sealed] != peers:
                raise ProtocolViolation("the shares are not one from each neighbour.", reason="wrong shares")
            for sealed in mailbox.sealed:
                key = session.sealing_key(held.agreed[sealed.peer], sealed.peer, self.number)
                with suppress(ProtocolViolation):
                    plain = keys.unseal(key, sealed.ciphertext, session.transcript)
                    held.shares[sealed.peer] = plain[: shamir.SHARE_SIZE], plain[shamir.SHARE_SIZE :]
            held.mask = session.total_mask(self.number, held.seed, held.masking, peers, self._parameters.dim)

    def mask(self, vector: NDArray[np.uint32]) -> Masked:
        """Masks a vector.

        Args:
            vector: (d,) residues modulo 2**32, writable. They are masked in place, so nothing is left in the clear;
                the caller must not change them afterwards.

        Returns:
            The masked vector.

        Raises:
            ProtocolViolation: 'wrong vector', it is not (d,) unsigned 32-bit numbers, or cannot be written.
        """
        with self._during("mask", self._context) as held:
            fits = vector.dtype == np.uint32 and vector.shape == (self._parameters.dim,) and vector.flags.writeable
            if not fits or held.mask is None:
                raise ProtocolViolation(
                    f"the vector must be {self._parameters.dim} writable unsigned 32-bit numbers.",
                    reason="wrong vector",
                )
            np.add(vector, held.mask, out=vector)
            held.mask = None
        return Masked(self._context, self.number, vector)

    def unmask(self, survivors: Survivors) -> Unmask:
        """Gives the shares that open the sum, then wipes its secrets.

        Args:
            survivors: The clients whose vectors are in the sum, and those that dropped out.

        Returns:
            A share of the seed of each surviving neighbour, and of the masking key of each dropped one; never both of
            one.

        Raises:
            ProtocolViolation: 'too few clients' survived, 'overlapping lists' (a client survived and dropped: both of
                its secrets are asked for), 'unknown client' (it gave no shares, or is in neither list), 'not a
                survivor' (this client), 'disconnected' (survivors fall into parts whose sums would be opened
                separately).
        """
        with self._during("unmask", survivors.context) as held:
            alive, dropped = frozenset(survivors.clients), frozenset(survivors.dropped)
            self._check_survivors(alive, dropped)
            seeds, masking = (
                tuple(SecretShare(owner, held.shares[owner][secret]) for owner in sorted(held.shares.keys() & owners))
                for secret, owners in enumerate((alive, dropped))
            )
        self.wipe()
        return Unmask(self._context, self.number, seeds, masking)

    def wipe(self) -> None:
        """Forgets all secrets and ends the round for this client.

        Python may have left copies in memory that it has not given back.
        """
        if self._secrets is not None and self._secrets.mask is not None:
            self._secrets.mask.fill(0)
        self._secrets, self._stage = None, "over"

    @contextmanager
    def _during(self, stage: str, context: bytes) -> Iterator[_Secrets]:
        """Yields the secrets for the one call of a stage; any error in it ends the round for this client."""
        try:
            if self._stage != stage:
                raise ProtocolViolation(f"called while it is at '{self._stage}'.", reason="order")
            if context != self._context:
                raise ProtocolViolation("the message belongs to another round.", reason="stale context")
            yield self._secrets or _Secrets(b"", b"", b"")
        except ProtocolViolation as error:
            self.wipe()
            what = str(error).removeprefix("secure sum: ")
            raise ProtocolViolation(
                f"secure sum: client {self.number}, stage '{stage}': {what}",
                client=self.number, stage=stage, reason=error.reason,
            ) from error  # fmt: skip
        except BaseException:
            self.wipe()
            raise
        self._stage = STAGES[STAGES.index(stage) + 1]

    @property
    def _known_session(self) -> Session:
        assert self._session is not None  # from the stage 'share' on
        return self._session

    def _check_roster(self, roster: Roster) -> None:
        entries = {entry.sender: entry for entry in roster.advertised}
        if not entries.keys() <= set(self._parameters.clients):
            raise ProtocolViolation("the roster has clients that are not in this sum.", reason="unknown client")
        if entries.get(self.number) != self._advertised:
            raise ProtocolViolation("its own keys on the roster are not its keys.", reason="altered roster")
        if any(entry.context != self._context for entry in roster.advertised):
            raise ProtocolViolation("the roster has keys of another round.", reason="stale context")
        public = [keys.decode(key) for entry in roster.advertised for key in entry.keys]
        if len(set(public)) < len(public):
            raise ProtocolViolation("a key is on the roster twice.", reason="repeated key")
        self._check_enough(len(entries), len(entries))
        if self._signer:
            for entry in roster.advertised:
                self._signer.check(entry.sender, entry.content(), entry.signature)

    def _check_enough(self, clients: int, holders: int) -> None:
        if clients < self._parameters.threshold or holders < self._parameters.shares:
            raise ProtocolViolation(
                f"{clients} clients, {holders} of them with shares of its secrets; needed are "
                f"{self._parameters.threshold} and {self._parameters.shares}.",
                reason="too few clients",
            )

    def _check_survivors(self, alive: frozenset[int], dropped: frozenset[int]) -> None:
        if alive & dropped:
            raise ProtocolViolation(f"{sorted(alive & dropped)} survived and dropped.", reason="overlapping lists")
        if alive | dropped != self._sharers:
            raise ProtocolViolation("the lists are not those who gave shares.", reason="unknown client")
        if self.number not in alive:
            raise ProtocolViolation("it is not among the survivors.", reason="not a survivor")
        self._check_enough(len(alive), len(self._known_session.holders(self.number, alive)))
        if not graph.is_connected(self._known_session.graph, alive):
            raise ProtocolViolation("the survivors fall into parts.", reason="disconnected")
