"""Bytes of messages, written out by hand, and what is refused when they are read back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fedsilo.aggregation.secagg.encoding import (
    CLIENT,
    CLIENTS,
    MOST_NUMBER,
    ROW,
    Message,
    Reader,
    encode_bytes,
    encode_numbers,
    fixed_bytes,
    optional_bytes,
    read_kind,
)
from fedsilo.core.errors import ProtocolViolation


@dataclass(frozen=True, slots=True)
class Letter(Message):
    """A message with one field of each form."""

    kind = 258
    label = "letter"
    forms = (CLIENT, CLIENTS, fixed_bytes(2), optional_bytes(3), ROW)

    sender: int
    others: tuple[int, ...]
    stamp: bytes
    seal: bytes
    row: Any


WORDS: dict[str, Any] = {"sender": 7, "others": (1, 300), "stamp": b"ab", "seal": b"", "row": np.array([5], np.uint32)}
BYTES = (
    b"FSA\x01"  # version
    b"\x02\x01\x00\x00"  # kind 258
    b"\x07\x00\x00\x00"  # sender
    b"\x02\x00\x00\x00\x01\x00\x00\x00\x2c\x01\x00\x00"  # two others
    b"ab"
    b"\x00\x00\x00\x00"  # no seal
    b"\x04\x00\x00\x00\x05\x00\x00\x00"  # a row of four bytes
)


def test_a_message_is_its_version_its_kind_and_its_fields_in_order() -> None:
    assert Letter(**WORDS).to_bytes() == BYTES
    back = Letter.from_bytes(BYTES)
    assert (back.sender, back.others, back.stamp, back.seal, back.row.tolist()) == (7, (1, 300), b"ab", b"", [5])
    assert read_kind(BYTES) == 258
    assert read_kind(BYTES[:7]) == -1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sender", -1),
        ("sender", MOST_NUMBER + 1),
        ("others", (2, 2)),
        ("others", (3, 2)),
        ("stamp", b"abc"),
        ("seal", b"ab"),
        ("row", np.array([5], np.int64)),
        ("row", np.zeros((1, 1), np.uint32)),
    ],
)
def test_a_value_that_does_not_fit_its_form_makes_no_message(name: str, value: Any) -> None:
    with pytest.raises(ProtocolViolation, match=rf"Letter\.{name} has an invalid value") as caught:
        Letter(**{**WORDS, name: value})
    assert caught.value.reason == "garbage"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: b"FSA\x02" + data[4:], "not a Letter"),
        (lambda data: data[:4] + b"\x03" + data[5:], "not a Letter"),
        (lambda data: data + b"x", "1 bytes too many"),
        (lambda data: data[:-1], "4 bytes expected, 3 left"),
        (lambda data: data[:-8] + b"\x03" + data[-7:-1], "a vector is cut off"),
    ],
)
def test_other_bytes_are_refused(spoil: Callable[[bytes], bytes], words: str) -> None:
    with pytest.raises(ProtocolViolation, match=words):
        Letter.from_bytes(spoil(BYTES))


def test_lists_and_texts_have_their_length_before_them() -> None:
    data = encode_numbers((1, 2)) + encode_bytes(b"xyz")
    assert data == b"\x02\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00xyz"
    reader = Reader(data)
    assert (reader.read_numbers(), reader.read_text()) == ((1, 2), b"xyz")
    reader.finish()
