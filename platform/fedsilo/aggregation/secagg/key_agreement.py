"""Keys of one round: agreed by X25519, derived by HKDF-SHA256, used with ChaCha20-Poly1305.

Every derived key is bound to the transcript (32 bytes: the round's context, its parameters and all public keys), to
what it is for, and to the clients it is between. So no key fits another round, purpose, pair or direction, and each
seals at most one message, which is why a nonce of zeros is right.

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
"""The points of X25519 whose order divides 8: what is agreed with one of them does not depend on the private key."""

_used: set[bytes] = set()
_using = threading.Lock()


def public_key(private: bytes) -> bytes:
    """Returns the public key of 32 bytes of any 32 random bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def decode(public: bytes) -> int:
    """Returns the point that 32 bytes stand for, as its coordinate u in [0, 2**255 - 19).

    Several encodings are of one point: the highest bit is ignored, and u counts modulo the field's prime (RFC 7748,
    section 5).

    Raises:
        ProtocolViolation: The point is one of the few that make any private key's result known.
    """
    point = (int.from_bytes(public, "little") & ((1 << 255) - 1)) % FIELD
    if point in LOW_ORDER:
        raise ProtocolViolation("secure sum: a public key is of low order.", reason="weak key")
    return point


def agree(private: bytes, public: bytes) -> bytes:
    """Returns the 32 bytes that two sides share; not yet a key.

    Raises:
        ProtocolViolation: The public key is one of the few that make any private key's result known.
    """
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise ProtocolViolation("secure sum: a public key is of low order.", reason="weak key") from error


def derive(secret: bytes, purpose: str, transcript: bytes, *clients: int) -> bytes:
    """Returns a key of 32 bytes for one purpose between these clients in this order."""
    info = LABEL + purpose.encode() + b"|" + transcript + b"".join(encode_number(client) for client in clients)
    return HKDF(SHA256(), KEY_SIZE, salt=None, info=info).derive(secret)


def commit(seed: bytes, context: bytes, client: int) -> bytes:
    """Returns the 32 bytes by which a client's random seed can be recognised once it is opened."""
    return hashlib.sha256(LABEL + b"seed|" + context + encode_number(client) + seed).digest()


def seal(key: bytes, plain: bytes, bound: bytes) -> bytes:
    """Returns the ciphertext, 16 bytes longer, with `bound` authenticated beside it; once per key."""
    return ChaCha20Poly1305(key).encrypt(ZERO_NONCE, plain, bound)


def unseal(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    """Returns the plain bytes.

    Raises:
        ProtocolViolation: The ciphertext was altered, or is another sender's, receiver's or round's.
    """
    try:
        return ChaCha20Poly1305(key).decrypt(ZERO_NONCE, sealed, bound)
    except InvalidTag as error:
        raise ProtocolViolation("secure sum: a ciphertext was altered.", reason="altered ciphertext") from error


def claim(public: bytes) -> None:
    """Notes a public key as used in this process, for good.

    Raises:
        ProtocolViolation: It was used before: masks of two rounds would cancel.
    """
    digest = hashlib.sha256(public).digest()[:16]
    with _using:
        if digest in _used:
            raise ProtocolViolation("secure sum: a key was drawn a second time.", reason="key reuse")
        _used.add(digest)
