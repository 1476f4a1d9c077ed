"""Signed advertisements: then the coordinator cannot invent clients or stand between two of them.

Who signs with which key is agreed outside the protocol, once, by whatever the clients trust (RFC 8032, Ed25519).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fedsilo.core.errors import ProtocolViolation

SIGNATURE_SIZE = 64


@dataclass(frozen=True, slots=True)
class Members:
    """Public keys by which advertisements are checked.

    Attributes:
        public: Public key (32 bytes) of each client that may take part, by number.
    """

    public: Mapping[int, bytes]

    def sha256(self) -> str:
        """Returns the hash of all public keys in the order of the clients' numbers."""
        return hashlib.sha256(b"".join(self.public[client] for client in sorted(self.public))).hexdigest()

    def check(self, client: int, content: bytes, signature: bytes) -> None:
        """Refuses what the client did not sign.

        Raises:
            ProtocolViolation: It is unsigned, signed by another key, or by no member.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public[client]).verify(signature, content)
        except (KeyError, InvalidSignature) as error:
            raise ProtocolViolation(
                f"secure sum: the advertisement of client {client} is not signed by it.", reason="bad signature"
            ) from error


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A client's signing key, and everybody's public one.

    Attributes:
        private: 32 secret bytes.
        members: Everybody's public keys.
    """

    private: bytes
    members: Members

    @staticmethod
    def public_of(private: bytes) -> bytes:
        """Returns the public key of 32 secret bytes."""
        return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    def sign(self, content: bytes) -> bytes:
        """Returns the signature, 64 bytes."""
        return Ed25519PrivateKey.from_private_bytes(self.private).sign(content)

    def check(self, client: int, content: bytes, signature: bytes) -> None:
        """Refuses what the client did not sign. Raises ProtocolViolation as `Members.check`."""
        self.members.check(client, content, signature)
