"""A client's part in secure aggregation as it is spoken to: messages in, messages out, the update goes in by itself.

One round of the protocol follows the other; an `Opening` begins a new one and ends whatever was before it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fedsilo.aggregation.secagg.encoding import read_kind
from fedsilo.aggregation.secagg.modular_vectors import Residues
from fedsilo.aggregation.secagg.protocol_client import SecureClient
from fedsilo.aggregation.secagg.protocol_messages import Mailbox, Opening, Refusal, Roster, Survivors
from fedsilo.aggregation.secagg.signatures import Signer
from fedsilo.core.errors import ProtocolViolation

Check = Callable[[Opening], None]
"""Refuses a round whose opening says what an update must not be masked under; raises ProtocolViolation."""


class MaskingClient:
    """The only way to a client's update while it is masked."""

    def __init__(self, number: int) -> None:
        """Takes the client's number; no round has begun."""
        self._number = number
        self._signer: Signer | None = None
        self._round: SecureClient | None = None
        self._opening: Opening | None = None
        self._kept: tuple[Residues, Check] | None = None

    def sign_with(self, signer: Signer | None) -> None:
        """Signs advertisements from now on, and checks everybody's; None: advertisements carry no signature."""
        self._signer = signer

    def keep(self, vector: Residues, check: Check) -> None:
        """Keeps an encoded update until it is masked; nothing gives it back as it is.

        Args:
            vector: The update.
            check: Called with the round's opening before the update is masked.
        """
        self._kept = vector, check

    def answer(self, message: bytes) -> bytes:
        """Returns the answer to a coordinator's message; empty to a mailbox, whose masks are made ready.

        What other clients have sent may be wrong, so a refusal is an answer too: it costs the sum this client.

        Raises:
            ProtocolViolation: 'parameters', the round is not safe: no fault of other clients.
        """
        return self._or_refusal(partial(self._answer, message))

    def masked(self) -> bytes:
        """Returns the kept update, masked, and forgets it; or a refusal, as `answer` does.

        Raises:
            ProtocolViolation: 'parameters', the update must not be masked in this round.
        """
        return self._or_refusal(self._masked)

    def _or_refusal(self, call: Callable[[], bytes]) -> bytes:
        try:
            return call()
        except ProtocolViolation as error:
            if error.reason == "parameters":
                raise
            return Refusal(self._number, str(error).encode()).to_bytes()

    def _answer(self, message: bytes) -> bytes:
        kind = read_kind(message)
        if kind == Opening.kind:
            opening = Opening.from_bytes(message)
            self._end()
            self._round = SecureClient(self._number, opening.parameters, opening.context, self._signer)
            self._opening = opening
            return self._round.advertise().to_bytes()
        if kind == Roster.kind:
            return self._begun().share(Roster.from_bytes(message)).to_bytes()
        if kind == Mailbox.kind:
            self._begun().prepare(Mailbox.from_bytes(message))
            return b""
        return self._begun().unmask(Survivors.from_bytes(message)).to_bytes()

    def _masked(self) -> bytes:
        kept, self._kept = self._kept, None
        if kept is None:
            raise ProtocolViolation(f"client {self._number}: has learnt nothing to mask.", client=self._number)
        vector, check = kept
        begun = self._begun()
        assert self._opening is not None
        check(self._opening)
        return begun.mask(vector).to_bytes()

    def _begun(self) -> SecureClient:
        if self._round is None:
            raise ProtocolViolation(f"client {self._number}: no round has been opened.", client=self._number)
        return self._round

    def _end(self) -> None:
        if self._round is not None:
            self._round.wipe()
        self._round = None
