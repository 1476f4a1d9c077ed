"""The messages of a secure sum, as values and as bytes.

`context` is the round's 32 bytes (`Parameters.digest`), except in `Opening`, where it is the text that the digest is
computed from. A message with wrong sizes, or with repeated or unordered clients, cannot be made: ProtocolViolation.

Letters: n clients, k neighbours (n - 1 on the complete graph), d coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedsilo.aggregation.secagg.encoding import (
    CLIENT,
    CLIENTS,
    ROW,
    TEXT,
    Form,
    Message,
    Reader,
    Record,
    encode_bytes,
    fixed_bytes,
    optional_bytes,
    record_tuple,
)
from fedsilo.aggregation.secagg.key_agreement import KEY_SIZE, TAG_SIZE
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.shamir import SHARE_SIZE
from fedsilo.aggregation.secagg.signatures import SIGNATURE_SIZE

CONTEXT = fixed_bytes(32)
KEY = fixed_bytes(KEY_SIZE)
SEALED_SIZE = 2 * SHARE_SIZE + TAG_SIZE
LONGEST_REASON = 400
"""Characters of a refusal that are shown."""


def _read_parameters(reader: Reader) -> Parameters:
    return Parameters.from_bytes(reader.read_text())


PARAMETERS = Form(
    lambda value: isinstance(value, Parameters), lambda value: encode_bytes(value.to_bytes()), _read_parameters
)


@dataclass(frozen=True, slots=True)
class Opening(Message):
    """Coordinator to all: a round begins. About 4 n + 60 bytes.

    Attributes:
        context: Names this round and no other, for example by the run, the round, the exchange and the attempt.
        parameters: What all sides agree on.
    """

    kind: ClassVar[int] = 0
    label: ClassVar[str] = "opening"
    forms: ClassVar[tuple[Form, ...]] = (TEXT, PARAMETERS)

    context: bytes
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Advertise(Message):
    """Client to coordinator: its keys for this round. 144 bytes, 208 when signed.

    Attributes:
        context: The round.
        sender: The client's number.
        encryption_key: Public key (X25519) under which shares are sealed to it.
        masking_key: Public key (X25519) from which its pairwise masks are agreed.
        commitment: Hash of the seed of its own mask.
        signature: Of `content` (Ed25519), or nothing.
    """

    kind: ClassVar[int] = 1
    label: ClassVar[str] = "advertise"
    forms: ClassVar[tuple[Form, ...]] = (CONTEXT, CLIENT, KEY, KEY, KEY, optional_bytes(SIGNATURE_SIZE))

    context: bytes
    sender: int
    encryption_key: bytes
    masking_key: bytes
    commitment: bytes
    signature: bytes = b""

    @property
    def keys(self) -> tuple[bytes, bytes]:
        """Both public keys."""
        return self.encryption_key, self.masking_key

    def content(self) -> bytes:
        """Encodes what is signed: the message without a signature.

        Returns:
            Bytes.
        """
        unsigned = Advertise(self.context, self.sender, self.encryption_key, self.masking_key, self.commitment)
        return unsigned.to_bytes()


@dataclass(frozen=True, slots=True)
class Roster(Message):
    """Coordinator to client: the clients that take part, with their keys. 44 + 136 n bytes, 64 n more when signed.

    Attributes:
        context: The round.
        advertised: The advertisements, ascending by sender.
    """

    kind: ClassVar[int] = 2
    label: ClassVar[str] = "roster"
    forms: ClassVar[tuple[Form, ...]] = (CONTEXT, record_tuple(Advertise, "sender"))

    context: bytes
    advertised: tuple[Advertise, ...]


@dataclass(frozen=True, slots=True)
class Sealed(Record):
    """One client's shares for another, encrypted for it.

    Attributes:
        peer: The receiver in `SealedShares`, the sender in `Mailbox`.
        ciphertext: 82 bytes: a share of the seed, a share of the masking key, a tag.
    """

    forms: ClassVar[tuple[Form, ...]] = (CLIENT, fixed_bytes(SEALED_SIZE))

    peer: int
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class SealedShares(Message):
    """Client to coordinator: shares of its two secrets for each neighbour. 48 + 86 k bytes.

    Attributes:
        context: The round.
        sender: The client's number.
        sealed: One for each neighbour, ascending.
    """

    kind: ClassVar[int] = 3
    label: ClassVar[str] = "shares"
    forms: ClassVar[tuple[Form, ...]] = (CONTEXT, CLIENT, record_tuple(Sealed, "peer"))

    context: bytes
    sender: int
    sealed: tuple[Sealed, ...]


@dataclass(frozen=True, slots=True)
class Mailbox(Message):
    """Coordinator to client: the clients that have given shares, and the shares for it. 48 + 4 n + 86 k bytes.

    Attributes:
        context: The round.
        clients: All clients that have given shares, ascending.
        sealed: One from each neighbour among them, ascending.
    """

    kind: ClassVar[int] = 4
    label: ClassVar[str] = "mailbox"
    forms: ClassVar[tuple[Form, ...]] = (CONTEXT, CLIENTS, record_tuple(Sealed, "peer"))

    context: bytes
    clients: tuple[int, ...]
    sealed: tuple[Sealed, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Masked(Message):
    """Client to coordinator: its vector under its masks. 48 + 4 d bytes.

    Attributes:
        context: The round.
        sender: The client's number.
        vector: (d,) residues modulo 2**32; without one of the masks they look uniform.
    """

    kind: ClassVar[int] = 5
    label: ClassVar[str] = "masked"
    forms: ClassVar[tuple[Form, ...]] = (CONTEXT, CLIENT, ROW)

    context: bytes
    sender: int
    vector: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Survivors(Message):
    """Coordinator to client: the clients whose masked vectors are in the sum. 48 + 4 n bytes.

    Attributes:
        context: The round.
        clients: Clients in the sum, ascending.
        dropped: Clients that gave shares but no vector, ascending.
    """

    kind: ClassVar[int] = 6
    label: ClassVar[str] = "survivors"
    forms: ClassVar[tuple[Form, ...]] = (CONTEXT, CLIENTS, CLIENTS)

    context: bytes
    clients: tuple[int, ...]
    dropped: tuple[int, ...]


@dataclass(frozen=True, slots=True, repr=False)
class SecretShare(Record):
    """One share of a client's secret, in the clear.

    Attributes:
        owner: The client whose secret it is.
        value: 33 bytes.
    """

    forms: ClassVar[tuple[Form, ...]] = (CLIENT, fixed_bytes(SHARE_SIZE))

    owner: int
    value: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Unmask(Message):
    """Client to coordinator: a share of one secret of each neighbour, never of both. 52 + 37 (k + 1) bytes.

    Attributes:
        context: The round.
        sender: The client's number.
        seeds: Shares of the seeds of survivors, its own included, ascending by owner.
        keys: Shares of the masking keys of dropped clients, ascending by owner.
    """

    kind: ClassVar[int] = 7
    label: ClassVar[str] = "unmask"
    forms: ClassVar[tuple[Form, ...]] = (
        CONTEXT,
        CLIENT,
        record_tuple(SecretShare, "owner"),
        record_tuple(SecretShare, "owner"),
    )

    context: bytes
    sender: int
    seeds: tuple[SecretShare, ...]
    keys: tuple[SecretShare, ...]


@dataclass(frozen=True, slots=True)
class Refusal(Message):
    """Client to coordinator, instead of any other answer: it takes no further part in the round, and why.

    Attributes:
        sender: The client's number.
        why: The reason as text, in UTF-8 if its sender is honest.
    """

    kind: ClassVar[int] = 8
    label: ClassVar[str] = "refusal"
    forms: ClassVar[tuple[Form, ...]] = (CLIENT, TEXT)

    sender: int
    why: bytes

    @property
    def reason(self) -> str:
        """The reason as one line of printable characters, cut where it is too long."""
        text = self.why[: 4 * LONGEST_REASON].decode("utf-8", "replace")[:LONGEST_REASON]
        return "".join(letter if letter.isprintable() else "?" for letter in text)
