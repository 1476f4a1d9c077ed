"""Signed advertisements, so that the coordinator cannot invent clients or stand between two of them.

Assumed: each client has the right public key of every other client, from a source that the coordinator cannot change.
The protocol does not distribute these keys (Ed25519, RFC 8032).
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
        """Hashes all public keys in the order of the clients' numbers.

        Returns:
            64 hexadecimal digits.
        """
        return hashlib.sha256(b"".join(self.public[client] for client in sorted(self.public))).hexdigest()

    def check(self, client: int, content: bytes, signature: bytes) -> None:
        """Refuses what a client did not sign.

        Args:
            client: The client's number.
            content: What should be signed.
            signature: The signature, 64 bytes.

        Raises:
            ProtocolViolation: The content is unsigned, signed by another key, or by a client that is no member.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public[client]).verify(signature, content)
        except (KeyError, InvalidSignature) as error:
            raise ProtocolViolation(
                f"secure sum: the advertisement of client {client} is not signed by it.", reason="bad signature"
            ) from error


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A client's signing key, and all public keys.

    Attributes:
        private: 32 secret bytes.
        members: The public keys of all clients.
    """

    private: bytes
    members: Members

    @staticmethod
    def public_of(private: bytes) -> bytes:
        """Computes the public key of a private key.

        Args:
            private: 32 secret bytes.

        Returns:
            32 bytes.
        """
        return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    def sign(self, content: bytes) -> bytes:
        """Signs a content.

        Args:
            content: Any bytes.

        Returns:
            The signature, 64 bytes.
        """
        return Ed25519PrivateKey.from_private_bytes(self.private).sign(content)

    def check(self, client: int, content: bytes, signature: bytes) -> None:
        """Refuses what a client did not sign.

        Args:
            client: The client's number.
            content: What should be signed.
            signature: The signature, 64 bytes.

        Raises:
            ProtocolViolation: As `Members.check`.
        """
        self.members.check(client, content, signature)
