"""The coordinator's side of one secure sum: it collects, adds masked vectors, and opens the sum of the survivors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsilo.aggregation.secagg import graph
from fedsilo.aggregation.secagg import key_agreement as keys
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.protocol_messages import (
    Advertise,
    Mailbox,
    Masked,
    Opening,
    Roster,
    Sealed,
    SealedShares,
    Survivors,
    Unmask,
)
from fedsilo.aggregation.secagg.session import Session
from fedsilo.aggregation.secagg.signatures import Members
from fedsilo.aggregation.secagg.unmasking import open_secrets, take_masks
from fedsilo.core.errors import ProtocolViolation, RoundAborted

STAGES = ("advertise", "share", "mask", "unmask", "open")
ABORTED = "aborted"

FromClient = Advertise | SealedShares | Masked | Unmask
ToClient = Roster | Mailbox | Survivors
EXPECTED: Mapping[type[FromClient], str] = {
    Advertise: "advertise", SealedShares: "share", Masked: "mask", Unmask: "unmask",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class SecureSum:
    """The result of a round.

    Attributes:
        total: (d,) residues modulo 2**32: the sum of the survivors' vectors.
        survivors: The clients whose vectors are in it, ascending.
    """

    total: NDArray[np.uint32]
    survivors: tuple[int, ...]


class SecureCoordinator:
    """One round. For each stage: `receive` what clients send, then `close` it; after 'unmask' get the `result`.

    It never waits: the caller decides how long a stage is open. Masked vectors are added as they arrive, so its memory
    is
    one vector whatever the number of clients. An invalid message costs the sum at most its sender: the sender drops
    out, or
    one share is missing.

    Attributes:
        stage: The stage that is open.
        notices: What was found wrong and left out, one line each.
    """

    def __init__(self, parameters: Parameters, context: bytes, members: Members | None = None) -> None:
        """Begins a round.

        Args:
            parameters: What all sides agree on.
            context: Names this round and no other, as all clients have it.
            members: Checks the signatures of advertisements; None: they carry none.

        Raises:
            ProtocolViolation: 'parameters', they are not safe.
        """
        parameters.check()
        self.stage, self.notices, self._signatures = STAGES[0], list[str](), members
        self._parameters, self._opening = parameters, Opening(context, parameters)
        self._context = parameters.digest(context)
        self._members: list[frozenset[int]] = [frozenset(parameters.clients)]  # valid senders, stage by stage
        self._advertised: dict[int, Advertise] = {}
        self._sealed: dict[int, dict[int, Sealed]] = {}  # by sender, by receiver
        self._masked: dict[int, None] = {}
        self._unmasked: dict[int, Unmask] = {}
        self._session: Session | None = None
        self._total: NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
        self._result: SecureSum | None = None

    def opening(self) -> Opening:
        """Returns the message that opens the round for clients."""
        return self._opening

    def receive(self, message: FromClient) -> bool:
        """Takes a message of a client.

        A message is late if its stage is closed and its sender was counted as dropped out. A late vector stays masked
        for good:
        the seed of its sender's mask is never opened.

        Args:
            message: The message.

        Returns:
            False where the message was late and was dropped.

        Raises:
            ProtocolViolation: 'stale context'; 'unknown client', not or no longer in the round; 'duplicate';
                'order', a stage that is not open yet, or the round is over; 'weak key'; 'bad signature'; 'wrong
                vector', not d coordinates; 'wrong shares', not one for each neighbour, or of other secrets than asked
                for.
                The round goes on as if the message had not come.
        """
        if message.context != self._context:
            raise self._violation(message, "stale context", "the message belongs to another round")
        if self.stage == ABORTED:
            raise self._violation(message, "order", "the round was given up")
        at, now = STAGES.index(EXPECTED[type(message)]), STAGES.index(self.stage)
        if at > now:
            raise self._violation(message, "order", f"the round is at '{self.stage}'")
        if message.sender not in self._members[at]:
            raise self._violation(message, "unknown client", "the client is not in this stage")
        if message.sender in self._finished(at):
            raise self._violation(message, "duplicate", "the client has sent this before")
        if at < now:
            return False
        self._take(message)
        return True

    def close(self) -> dict[int, ToClient]:
        """Ends the stage.

        Returns:
            The next message for each client that is still in: `Roster` after 'advertise', `Mailbox` after 'share',
            `Survivors` after 'mask', nothing after 'unmask'.

        Raises:
            RoundAborted: Too few clients have finished the stage, in total or among the holders of some client's
                shares, or
                they fall into parts. Everything is wiped and the object cannot be used again.
            ProtocolViolation: 'order', all stages are closed.
        """
        if self.stage not in STAGES[:-1]:
            raise ProtocolViolation("secure sum: all stages are closed.", stage=self.stage, reason="order")
        if self.stage == "advertise":
            self._leave_out_repeated_keys()
        present = frozenset(self._finished(STAGES.index(self.stage)))
        try:
            if len(present) < self._parameters.threshold:
                raise self._too_few("clients", len(present), self._parameters.threshold)
            messages = self._messages(present)
        except RoundAborted:
            self.wipe()
            raise
        self._members.append(present)
        self.stage = STAGES[STAGES.index(self.stage) + 1]
        return messages

    def result(self) -> SecureSum:
        """Opens the sum, once 'unmask' is closed; this is the coordinator's expensive step.

        Returns:
            The sum with its clients.

        Raises:
            RoundAborted: No choice of the shares of a client's secret opens what it advertised: it dealt wrong shares,
                or too many clients gave wrong ones. Then everything is wiped.
            ProtocolViolation: 'order', another stage is open.
        """
        if self._result is None:
            if self.stage != "open":
                raise ProtocolViolation("secure sum: there is no result.", stage=self.stage, reason="order")
            sharers, alive = self._members[2:4]
            try:
                secrets, wrong = open_secrets(self._known_session, self._parameters, sharers, alive, self._unmasked)
            except RoundAborted:
                self.wipe()
                raise
            self.notices += wrong
            seeds, masking = ({o: s for o, s in secrets.items() if (o in alive) == kept} for kept in (True, False))
            take_masks(self._total, self._known_session, seeds, masking)
            self._result = SecureSum(self._total, tuple(sorted(alive)))
            self._forget()
        return self._result

    def wipe(self) -> None:
        """Forgets all that clients sent; a round that has no result yet is given up."""
        if self._result is None:
            self._total.fill(0)
            self.stage = ABORTED
        self._forget()

    def _forget(self) -> None:
        self._advertised, self._sealed, self._masked, self._unmasked = {}, {}, {}, {}
        self._session, self._total = None, np.zeros(0, dtype=np.uint32)

    def _violation(self, message: FromClient, reason: str, what: str) -> ProtocolViolation:
        return ProtocolViolation(
            f"secure sum: '{message.label}' of client {message.sender}: {what}.",
            client=message.sender, stage=EXPECTED[type(message)], reason=reason,
        )  # fmt: skip

    def _finished(self, at: int) -> Collection[int]:
        if at + 1 < len(self._members):
            return self._members[at + 1]
        return (self._advertised, self._sealed, self._masked, self._unmasked)[at].keys()

    def _take(self, message: FromClient) -> None:
        if isinstance(message, Advertise):
            self._take_keys(message)
        elif isinstance(message, SealedShares):
            self._take_shares(message)
        elif isinstance(message, Masked):
            self._take_vector(message)
        else:
            self._take_opened(message)

    def _take_keys(self, message: Advertise) -> None:
        for key in message.keys:
            keys.decode(key)
        if self._signatures:
            self._signatures.check(message.sender, message.content(), message.signature)
        self._advertised[message.sender] = message

    def _leave_out_repeated_keys(self) -> None:
        """Drops all clients that advertised the same point: of two, it is not known which one drew it."""
        owners: dict[int, list[int]] = {}
        for sender, message in self._advertised.items():
            for key in message.keys:
                owners.setdefault(keys.decode(key), []).append(sender)
        for repeated in sorted(owner for owner in owners.values() if len(owner) > 1):
            self.notices.append(f"clients {sorted(set(repeated))} advertised the same key and were left out")
            for sender in repeated:
                self._advertised.pop(sender, None)

    def _take_shares(self, message: SealedShares) -> None:
        peers = self._known_session.neighbours(message.sender, self._members[1])
        if [sealed.peer for sealed in message.sealed] != peers:
            raise self._violation(message, "wrong shares", "not one for each neighbour")
        self._sealed[message.sender] = {sealed.peer: sealed for sealed in message.sealed}

    def _take_vector(self, message: Masked) -> None:
        if message.vector.shape != (self._parameters.dim,):
            raise self._violation(message, "wrong vector", f"{message.vector.size} coordinates")
        if not self._masked:
            self._total = np.zeros(self._parameters.dim, dtype=np.uint32)
        self._total += message.vector
        self._masked[message.sender] = None

    def _take_opened(self, message: Unmask) -> None:
        held = self._known_session.holders(message.sender, self._members[2])
        alive = self._members[3]
        seeds, masking = alive.intersection(held), set(held) - alive
        # A share is missing where its owner sealed invalid shares; the opening finds out whether enough are there.
        if not ({s.owner for s in message.seeds} <= seeds and {s.owner for s in message.keys} <= masking):
            raise self._violation(message, "wrong shares", "not of one secret of neighbours, as it was asked")
        self._unmasked[message.sender] = message

    @property
    def _known_session(self) -> Session:
        assert self._session is not None  # from the end of the stage 'advertise' on
        return self._session

    def _check_neighbourhoods(self, owners: Collection[int], present: frozenset[int]) -> None:
        for owner in owners:
            have = len(self._known_session.holders(owner, present))
            if have < self._parameters.shares:
                raise self._too_few(f"holders of client {owner}'s shares", have, self._parameters.shares)

    def _too_few(self, what: str, have: int, need: int) -> RoundAborted:
        return RoundAborted(
            f"secure sum: stage '{self.stage}': {have} {what} are left, {need} are needed. "
            "Begin again with new keys, and with new noise.",
            stage=self.stage, have=have, need=need,
        )  # fmt: skip

    def _messages(self, present: frozenset[int]) -> dict[int, ToClient]:
        if self.stage == "advertise":
            roster = Roster(self._context, tuple(self._advertised[client] for client in sorted(present)))
            self._session = Session.begin(self._parameters, roster)
            self._check_neighbourhoods(present, present)
            return dict.fromkeys(sorted(present), roster)
        sharers = present if self.stage == "share" else self._members[2]
        self._check_neighbourhoods(sharers, present)
        if self.stage == "share":
            return {client: self._mailbox(client, present) for client in sorted(present)}
        if self.stage == "unmask":
            return {}
        if not graph.is_connected(self._known_session.graph, present):
            raise RoundAborted("secure sum: stage 'mask': the survivors fall into parts.", stage=self.stage)
        survivors = Survivors(self._context, tuple(sorted(present)), tuple(sorted(sharers - present)))
        return dict.fromkeys(sorted(present), survivors)

    def _mailbox(self, client: int, sharers: frozenset[int]) -> Mailbox:
        sealed = (
            Sealed(sender, self._sealed[sender][client].ciphertext)
            for sender in self._known_session.neighbours(client, sharers)
        )
        return Mailbox(self._context, tuple(sorted(sharers)), tuple(sealed))
