"""Keys of one round: agreed by X25519, derived by HKDF-SHA256, used with ChaCha20-Poly1305.

Every derived key is bound to the transcript (32 bytes: the round's context, its parameters and all public keys), to its
purpose, and to the clients it is between. So no key fits another round, purpose, pair or direction, and each seals at
most one message; therefore a nonce of zeros is safe.

Sources: RFC 7748 (X25519), RFC 5869 (HKDF), RFC 8439 (ChaCha20-Poly1305).
"""

from __future__ import annotations

import hashlib
import threading

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedsilo.aggregation.secagg.encoding import encode_number
from fedsilo.core.errors import ProtocolViolation

KEY_SIZE, TAG_SIZE = 32, 16
ZERO_NONCE = bytes(12)
LABEL = b"fedsilo secure sum 1|"
FIELD = 2**255 - 19
LOW_ORDER = frozenset(
    {
        0,
        1,
        FIELD - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)
"""The points of X25519 whose order divides 8: the agreed secret with them does not depend on the private key."""

_used: set[bytes] = set()
_using = threading.Lock()


def public_key(private: bytes) -> bytes:
    """Computes a public key.

    Args:
        private: Any 32 random bytes.

    Returns:
        32 bytes.
    """
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def decode(public: bytes) -> int:
    """Decodes a public key to a point, as its coordinate u.

    Several encodings stand for one point: the highest bit is ignored, and u counts modulo the field's prime (RFC 7748,
    section 5).

    Args:
        public: 32 bytes.

    Returns:
        u in [0, 2**255 - 19).

    Raises:
        ProtocolViolation: 'weak key', the point makes any private key's result known.
    """
    point = (int.from_bytes(public, "little") & ((1 << 255) - 1)) % FIELD
    if point in LOW_ORDER:
        raise ProtocolViolation("secure sum: a public key is of low order.", reason="weak key")
    return point


def agree(private: bytes, public: bytes) -> bytes:
    """Computes the secret that two sides share; it is not yet a key.

    Args:
        private: Own private key, 32 bytes.
        public: The other side's public key, 32 bytes.

    Returns:
        32 bytes.

    Raises:
        ProtocolViolation: 'weak key', the public key makes any private key's result known.
    """
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise ProtocolViolation("secure sum: a public key is of low order.", reason="weak key") from error


def derive(secret: bytes, purpose: str, transcript: bytes, *clients: int) -> bytes:
    """Derives a key for one purpose between clients in this order.

    Args:
        secret: The agreed secret or a seed.
        purpose: What the key is used for.
        transcript: The round's transcript, 32 bytes.
        *clients: Numbers of the clients.

    Returns:
        32 bytes.
    """
    info = LABEL + purpose.encode() + b"|" + transcript + b"".join(encode_number(client) for client in clients)
    return HKDF(SHA256(), KEY_SIZE, salt=None, info=info).derive(secret)


def commit(seed: bytes, context: bytes, client: int) -> bytes:
    """Commits to a client's random seed, so that it can be recognised once it is opened.

    Args:
        seed: 32 random bytes.
        context: The round's context, 32 bytes.
        client: The client's number.

    Returns:
        32 bytes.
    """
    return hashlib.sha256(LABEL + b"seed|" + context + encode_number(client) + seed).digest()


def seal(key: bytes, plain: bytes, bound: bytes) -> bytes:
    """Encrypts and authenticates a message.

    Args:
        key: 32 bytes, used for one message only.
        plain: The message.
        bound: Further bytes that are authenticated and not encrypted.

    Returns:
        The ciphertext, 16 bytes longer than the message.
    """
    return ChaCha20Poly1305(key).encrypt(ZERO_NONCE, plain, bound)


def unseal(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    """Decrypts a message.

    Args:
        key: The key that it was sealed with.
        sealed: The ciphertext.
        bound: The further bytes that were authenticated.

    Returns:
        The message.

    Raises:
        ProtocolViolation: The ciphertext was altered, or is another sender's, receiver's or round's.
    """
    try:
        return ChaCha20Poly1305(key).decrypt(ZERO_NONCE, sealed, bound)
    except InvalidTag as error:
        raise ProtocolViolation("secure sum: a ciphertext was altered.", reason="altered ciphertext") from error


def claim(public: bytes) -> None:
    """Marks a public key as used in this process, for good.

    Args:
        public: The public key.

    Raises:
        ProtocolViolation: The key was used before: masks of two rounds would cancel.
    """
    digest = hashlib.sha256(public).digest()[:16]
    with _using:
        if digest in _used:
            raise ProtocolViolation("secure sum: a key was drawn a second time.", reason="key reuse")
        _used.add(digest)
