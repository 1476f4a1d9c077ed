"""A client's part in secure aggregation: it answers the coordinator's messages and masks the client's update.

Rounds of the protocol follow each other; an `Opening` begins a new round and ends the one before.
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
"""Refuses a round under whose opening an update must not be masked; raises ProtocolViolation."""


class MaskingClient:
    """The only way to a client's update while it is kept for masking."""

    def __init__(self, number: int) -> None:
        """Begins without a round.

        Args:
            number: The client's number.
        """
        self._number = number
        self._signer: Signer | None = None
        self._round: SecureClient | None = None
        self._opening: Opening | None = None
        self._kept: tuple[Residues, Check] | None = None

    def sign_with(self, signer: Signer | None) -> None:
        """Sets the signer of all advertisements from now on.

        Args:
            signer: Signs advertisements and checks those of all clients; None: advertisements carry no signature.
        """
        self._signer = signer

    def keep(self, vector: Residues, check: Check) -> None:
        """Keeps an encoded update until it is masked; it cannot be read back.

        Args:
            vector: The update, (d,) residues.
            check: Called with the round's opening before the update is masked.
        """
        self._kept = vector, check

    def answer(self, message: bytes) -> bytes:
        """Answers a message of the coordinator.

        Other clients may have sent wrong messages, so a refusal is an answer too: it only costs the sum this client.

        Args:
            message: The message.

        Returns:
            The answer; empty for a mailbox, after the masks were made.

        Raises:
            ProtocolViolation: 'parameters', the round is not safe; no other client can cause this.
        """
        return self._answer_or_refuse(partial(self._answer, message))

    def masked(self) -> bytes:
        """Masks the kept update and forgets it.

        Returns:
            The masked update, or a refusal, as in `answer`.

        Raises:
            ProtocolViolation: 'parameters', the update must not be masked in this round.
        """
        return self._answer_or_refuse(self._mask)

    def _answer_or_refuse(self, call: Callable[[], bytes]) -> bytes:
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
            return self._require_round().share(Roster.from_bytes(message)).to_bytes()
        if kind == Mailbox.kind:
            self._require_round().prepare(Mailbox.from_bytes(message))
            return b""
        return self._require_round().unmask(Survivors.from_bytes(message)).to_bytes()

    def _mask(self) -> bytes:
        kept, self._kept = self._kept, None
        if kept is None:
            raise ProtocolViolation(f"client {self._number}: has no update to mask.", client=self._number)
        vector, check = kept
        begun = self._require_round()
        assert self._opening is not None
        check(self._opening)
        return begun.mask(vector).to_bytes()

    def _require_round(self) -> SecureClient:
        if self._round is None:
            raise ProtocolViolation(f"client {self._number}: no round has been opened.", client=self._number)
        return self._round

    def _end(self) -> None:
        if self._round is not None:
            self._round.wipe()
        self._round = None
