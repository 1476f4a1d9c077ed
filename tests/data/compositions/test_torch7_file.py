"""Torch7's files, written byte by byte: sound and damaged in every way."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.core.errors import DataError
from fedsilo.data.compositions.metadata_rows import MetadataRow, parse_t7

ENTRIES = [
    {"image": "Wet_Cat/1.jpg", "attr": "Wet", "obj": "Cat", "set": "train", "_image": "old/1.jpg", "number": 3.0},
    {"image": "Dry_Dog/2.jpg", "attr": "Dry", "obj": "Dog", "set": "test", "good": True},
    {"image": "x.jpg", "attr": "NA", "obj": "Dog", "set": "NA"},
]
ROWS = (
    MetadataRow("Wet_Cat/1.jpg", ("Wet", "Cat"), "train", "entry 0"),
    MetadataRow("Dry_Dog/2.jpg", ("Dry", "Dog"), "test", "entry 1"),
)


def integer(value: int) -> bytes:
    return struct.pack("<i", value)


def text(value: str) -> bytes:
    return integer(2) + integer(len(value.encode())) + value.encode()


def number(value: float) -> bytes:
    return integer(1) + struct.pack("<d", value)


def table(index: int, *entries: bytes) -> bytes:
    return integer(3) + integer(index) + integer(len(entries) // 2) + b"".join(entries)


def torch7(value: Any, index: list[int] | None = None) -> bytes:
    """A value as torch7 writes it; tables have ascending indices."""
    index = [0] if index is None else index
    if isinstance(value, bool):
        return integer(5) + integer(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return text(value)
    index[0] += 1
    own = index[0]
    pairs = enumerate(value, 1) if isinstance(value, list) else value.items()
    parts = [part for k, v in pairs for part in (torch7(float(k) if isinstance(k, int) else k), torch7(v, index))]
    return table(own, *parts)


def refusal(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        parse_t7(data, "some/metadata.t7")
    message = str(caught.value)
    assert message.startswith("some/metadata.t7: ")
    assert "\n" not in message
    return message


SOUND = torch7(ENTRIES)


def test_tables_are_rows() -> None:
    assert parse_t7(SOUND, "metadata.t7") == ROWS


def test_a_table_that_occurs_twice_is_read_once() -> None:
    entry = torch7(ENTRIES[0], [1])
    data = table(1, number(1), entry, number(2), integer(3) + integer(2))
    assert [row.path for row in parse_t7(data, "m")] == ["Wet_Cat/1.jpg", "Wet_Cat/1.jpg"]


def test_keys_may_come_in_any_order() -> None:
    data = table(1, number(2), torch7(ENTRIES[1], [5]), number(1), torch7(ENTRIES[0], [9]))
    assert [row.place for row in parse_t7(data, "m")] == ["entry 0", "entry 1"]
    assert parse_t7(data, "m")[0].path == "Wet_Cat/1.jpg"


FAULTS = {
    "cyclic": (table(1, number(1), integer(3) + integer(1)), ["table 1 contains itself"]),
    "cyclic key": (table(1, integer(3) + integer(1), number(1)), ["table 1 contains itself"]),
    "huge text": (integer(2) + integer(2**31 - 1) + b"abc", ["a text of 2,147,483,647 bytes", "3 bytes are left"]),
    "negative text": (integer(2) + integer(-5) + b"abc", ["a text of -5 bytes"]),
    "huge table": (integer(3) + integer(1) + integer(2**31 - 1), ["a table of 2,147,483,647 entries", "0 bytes"]),
    "negative table": (integer(3) + integer(1) + integer(-1), ["a table of -1 entries"]),
    "tensor": (integer(4) + integer(1) + integer(3) + b"V 1", ["a torch object (a tensor or a class)"]),
    "function": (integer(8) + integer(1), ["a function"]),
    "old function": (integer(6) + integer(1), ["a function"]),
    "function inside": (table(1, number(1), integer(7) + integer(1)), ["byte 28", "a function"]),
    "unknown": (table(1, number(1), integer(99)), ["unknown kind 99"]),
    "table as key": (table(1, table(2), number(1)), ["a key that is neither text nor number"]),
    "nan as key": (table(1, number(float("nan")), number(1)), ["a key that is neither text nor number"]),
    "bytes behind": (SOUND + b"\0", ["1 bytes follow the object"]),
    "not UTF-8": (integer(2) + integer(2) + b"\xff\xfe", ["not UTF-8"]),
    "a text": (text("hello"), ["contains a str, not a list"]),
    "a dictionary": (torch7({"image": "x"}), ["contains a dict, not a list"]),
    "a gap": (table(1, number(1), text("a"), number(3), text("b")), ["contains a dict, not a list"]),
    "texts": (torch7(["a"]), ["entry 0", "not the texts image, attr, obj, set"]),
    "numbers": (torch7([{**ENTRIES[0], "attr": 3.0}]), ["entry 0", "not the texts"]),
    "no set": (torch7([{"image": "x", "attr": "a", "obj": "b"}]), ["entry 0", "no set"]),
    "unknown set": (torch7([{**ENTRIES[0], "set": "dev"}]), ["entry 0", "'dev'"]),
    "empty": (b"", ["begins with b''"]),
    "picture": (b"\x89PNG\r\n\x1a\n", ["neither", "PNG"]),
    "ascii": (b"3\n1\n4\n1\n1\n2\n2\n5\nhello\n", ["ASCII", "torch.save('binary.t7'"]),
    "deep": (b"".join(table(n, number(1))[:8] + integer(1) + number(1) for n in range(40)) + number(1), ["16 deep"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_anything_else_in_a_torch7_file_is_named(fault: str) -> None:
    data, facts = FAULTS[fault]
    message = refusal(data)
    for fact in facts:
        assert fact in message


def test_every_truncation_is_refused() -> None:
    for length in range(0, len(SOUND) - 1, 3):
        refusal(SOUND[:length])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=6))
def test_changed_bytes_give_rows_or_a_refusal(place: int, changed: bytes) -> None:
    with contextlib.suppress(DataError):
        rows = parse_t7(SOUND[:place] + changed + SOUND[place + len(changed) :], "m")
        assert all(isinstance(row, MetadataRow) for row in rows)
