"""Files of torch.save: plain ones are read, and nothing in any of them ever runs."""

from __future__ import annotations

import contextlib
import io
import pickle
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


SOUND = saved(ENTRIES)


@pytest.mark.parametrize("old", [True, False])
def test_both_formats_are_rows(old: bool) -> None:
    assert parse_t7(saved(ENTRIES, old), "metadata.t7") == ROWS


def test_every_truncation_is_refused() -> None:
    for length in range(0, SOUND.index(b"test") + 40, 3):
        refusal(SOUND[:length])
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


def test_a_damaged_packed_member_is_one_line() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(ENTRIES * 50, 2))
    data = bytearray(stream.getvalue())
    begin = data.index(b"data.pkl") + len(b"data.pkl")
    data[begin : begin + 8] = b"\xff" * 8  # no block of deflate begins so
    assert "damaged archive" in refusal(bytes(data))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=6))
def test_changed_bytes_give_rows_or_a_refusal(place: int, changed: bytes) -> None:
    with contextlib.suppress(DataError):
        rows = parse_t7(SOUND[:place] + changed + SOUND[place + len(changed) :], "m")
        assert all(isinstance(row, MetadataRow) for row in rows)
