"""The .t7 files: written byte by byte, sound and damaged in every way; nothing in them ever runs."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
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


def saved(value: Any, old: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=not old)
    return stream.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        parse_t7(data, "some/metadata.t7")
    message = str(caught.value)
    assert message.startswith("some/metadata.t7: ")
    assert "\n" not in message
    return message


SOUND = torch7(ENTRIES)


@pytest.mark.parametrize("data", [SOUND, saved(ENTRIES), saved(ENTRIES, old=False)], ids=["torch7", "old", "zip"])
def test_all_three_formats_give_the_same_rows(data: bytes) -> None:
    assert parse_t7(data, "metadata.t7") == ROWS


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
    for data in (SOUND, saved(ENTRIES)[: saved(ENTRIES).index(b"test") + 40]):
        for length in range(0, len(data) - 1, 3):
            refusal(data[:length])
    archive = saved(ENTRIES, old=False)
    for length in range(0, len(archive) - 1, 97):
        refusal(archive[:length])


class Bomb:
    """An object whose unpickling makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("old", [True, False])
def test_code_in_a_torch_file_does_not_run(old: bool, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    data = saved([*ENTRIES, Bomb(mark)], old)
    message = refusal(data)
    assert not mark.exists()
    assert "the instruction GLOBAL" in message
    assert "Nothing of it was executed" in message
    assert "metadata.csv" in message
    torch.load(io.BytesIO(data), weights_only=False)
    assert mark.exists()  # it would have run


def test_tensors_in_a_torch_file_are_refused() -> None:
    assert "the instruction GLOBAL 'torch._utils _rebuild_tensor_v2'" in refusal(saved([torch.zeros(2)]))


def header() -> bytes:
    return saved(1)[: -len(pickle.dumps(1, 2)) - len(pickle.dumps([], 2))]


@pytest.mark.parametrize(
    ("body", "fact"),
    [
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "damaged pickle"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "entry 2,147,483,647"),
        (b"\x80\x02j\xff\x00\x00\x00.", "damaged pickle"),
        (b"\x80\x02a.", "damaged pickle"),
        (b"\x80\x02)\x85.", "the instruction EMPTY_TUPLE"),
        (b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00x\x85R.", "the instruction GLOBAL 'os system'"),
        (b"\x80\x02X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93.", "the instruction STACK_GLOBAL"),
        (b"\x80\x02X\x01\x00\x00\x00xQ.", "the instruction BINPERSID"),
        (b"\x80\x02\x82\x01.", "the instruction EXT1"),
        (b"\x80\x02(ios\nsystem\n.", "the instruction INST 'os system'"),
    ],
)
def test_instructions_of_a_pickle_are_read_before_any_is_carried_out(body: bytes, fact: str) -> None:
    assert fact in refusal(header() + body)


def test_plain_values_behind_that_header_are_read() -> None:
    assert parse_t7(header() + pickle.dumps(ENTRIES, 2), "m") == ROWS


def test_archives_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsilo.data.compositions.metadata_rows.GREATEST", 4000)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02]" + b"0" * 10_000)
    assert "10,0" in refusal(stream.getvalue())
    assert "at most 4,000" in refusal(b"x" * 5000)


@pytest.mark.parametrize("members", [0, 2])
def test_archives_need_one_pickle(members: int) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("other", b"")
        for number_of_member in range(members):
            archive.writestr(f"{number_of_member}/data.pkl", pickle.dumps(ENTRIES, 2))
    assert f"{members} members data.pkl" in refusal(stream.getvalue())


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=6))
def test_changed_bytes_give_rows_or_a_refusal(place: int, changed: bytes) -> None:
    for data in (SOUND, saved(ENTRIES)):
        with contextlib.suppress(DataError):
            rows = parse_t7(data[:place] + changed + data[place + len(changed) :], "m")
            assert all(isinstance(row, MetadataRow) for row in rows)
