"""The primitives as the standards have them, and as the protocol uses them."""

import hashlib

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.poly1305 import Poly1305

from fedsilo.aggregation.secagg import key_agreement as keys
from fedsilo.aggregation.secagg.mask_expansion import BLOCK, MaskStream
from fedsilo.aggregation.secagg.signatures import Members, Signer
from fedsilo.core.errors import ProtocolViolation

ONE, TWO = hashlib.sha256(b"one").digest(), hashlib.sha256(b"two").digest()


def test_x25519_as_in_rfc_7748() -> None:
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    assert keys.agree(scalar, point).hex() == "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    alice = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    assert keys.public_key(bob).hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    assert keys.agree(bob, alice).hex() == "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"


def test_masks_are_the_key_stream_of_rfc_8439() -> None:
    """Appendix A.1, test vectors 1 and 2: the first two blocks of a key and a nonce of zeros."""
    stream = bytes.fromhex(
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
    )
    expected = [int.from_bytes(stream[at : at + 4], "little") for at in range(0, 128, 4)]
    for dim in (1, 15, 16, 17, 32):
        vector = np.zeros(dim, dtype=np.uint32)
        MaskStream(dim).add(vector, bytes(32))
        assert vector.tolist() == expected[:dim]


def test_sealing_is_that_of_rfc_8439() -> None:
    """Section 2.8.2 for the cipher, and 2.8's construction by hand for a nonce of zeros, which is ours."""
    key = bytes(range(0x80, 0xA0))
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you "
        b"only one tip for the future, sunscreen would be it."
    )
    bound = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    published = ChaCha20Poly1305(key).encrypt(bytes.fromhex("070000004041424344454647"), plain, bound)
    assert published[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2"
    assert published[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"
    sealed = keys.seal(key, plain, bound)
    blocks = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor()
    one_time = blocks.update(bytes(64))[:32]
    ciphertext = blocks.update(plain)
    authenticated = b"".join(part + bytes(-len(part) % 16) for part in (bound, ciphertext))
    sizes = len(bound).to_bytes(8, "little") + len(ciphertext).to_bytes(8, "little")
    assert sealed == ciphertext + Poly1305.generate_tag(one_time, authenticated + sizes)
    assert keys.unseal(key, sealed, bound) == plain


@pytest.mark.parametrize("at", [0, 50, -1])
def test_an_altered_ciphertext_is_refused(at: int) -> None:
    sealed = bytearray(keys.seal(ONE, bytes(66), b"bound"))
    sealed[at] ^= 1
    with pytest.raises(ProtocolViolation) as caught:
        keys.unseal(ONE, bytes(sealed), b"bound")
    assert caught.value.reason == "altered ciphertext"


def test_a_ciphertext_bound_to_something_else_is_refused() -> None:
    for key, bound in ((TWO, b"bound"), (ONE, b"other")):
        with pytest.raises(ProtocolViolation):
            keys.unseal(key, keys.seal(ONE, bytes(66), b"bound"), bound)


@pytest.mark.parametrize("public", [bytes(32), b"\x01" + bytes(31), (2**255 - 19).to_bytes(32, "little")])
def test_keys_of_low_order_are_refused(public: bytes) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        keys.agree(ONE, public)
    assert caught.value.reason == "weak key"


def test_two_sides_agree() -> None:
    assert keys.agree(ONE, keys.public_key(TWO)) == keys.agree(TWO, keys.public_key(ONE))


def test_every_use_has_a_key_of_its_own() -> None:
    transcripts = bytes(32), b"\x01" * 32
    derived = {
        keys.derive(ONE, purpose, transcript, *clients)
        for purpose in ("pair", "own", "seal")
        for transcript in transcripts
        for clients in ((), (1,), (1, 2), (2, 1), (256,))
    }
    assert len(derived) == 3 * 2 * 5
    assert all(len(key) == 32 for key in derived)


def test_commitments_are_bound_to_round_and_client() -> None:
    made = {keys.commit(seed, context, i) for seed in (ONE, TWO) for context in (ONE, TWO) for i in (1, 2)}
    assert len(made) == 8


def test_a_key_can_be_claimed_once() -> None:
    keys.claim(ONE)
    keys.claim(TWO)
    with pytest.raises(ProtocolViolation) as caught:
        keys.claim(ONE)
    assert caught.value.reason == "key reuse"


@pytest.mark.parametrize("dim", [1, 17, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_what_is_added_can_be_taken_away_and_streams_are_kept(dim: int) -> None:
    stream = MaskStream(dim)
    vector = np.arange(dim, dtype=np.uint32)
    stream.add(vector, ONE)
    whole = np.frombuffer(Cipher(ChaCha20(ONE, bytes(16)), mode=None).encryptor().update(bytes(4 * dim)), dtype="<u4")
    np.testing.assert_array_equal(vector, np.arange(dim, dtype=np.uint32) + whole)
    stream.subtract(vector, TWO)
    stream.subtract(vector, ONE)
    stream.add(vector, TWO)
    np.testing.assert_array_equal(vector, np.arange(dim))


def test_signatures_tell_who_signed_what() -> None:
    members = Members({1: Signer.public_of(ONE), 2: Signer.public_of(TWO)})
    signer = Signer(ONE, members)
    signature = signer.sign(b"content")
    signer.check(1, b"content", signature)
    assert ONE.hex() not in repr(signer)
    for client, content, given in ((2, b"content", signature), (1, b"other", signature), (1, b"content", b"")):
        with pytest.raises(ProtocolViolation) as caught:
            signer.check(client, content, given)
        assert caught.value.reason == "bad signature"
    with pytest.raises(ProtocolViolation):
        signer.check(3, b"content", signature)


def test_every_encoding_of_a_point_is_decoded_to_one_number() -> None:
    for u in range(2, 19):  # those below 19 have a second encoding, the highest bit makes two of each
        encodings = [(u + more).to_bytes(32, "little") for more in (0, keys.FIELD, 2**255, keys.FIELD + 2**255)]
        assert {keys.decode(encoding) for encoding in encodings} == {u}
        assert len({keys.agree(b"k" * 32, encoding) for encoding in encodings}) == 1


def test_points_of_low_order_are_those_that_agree_on_nothing() -> None:
    for u in keys.LOW_ORDER:
        for call in (keys.decode, lambda public: keys.agree(b"k" * 32, public)):
            with pytest.raises(ProtocolViolation) as caught:
                call(u.to_bytes(32, "little"))
            assert caught.value.reason == "weak key"
