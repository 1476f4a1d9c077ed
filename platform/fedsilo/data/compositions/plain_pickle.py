"""Reader of Python's `torch.save` files that contain lists, dictionaries, texts and numbers, and nothing else.

The published `metadata_compositional-split-natural.t7` files are of this kind in spite of their name. A pickle can name
functions and call them. Here every instruction is compared with a list of those that make plain values before the first
one is carried out, so a file with any other instruction is refused and nothing in it runs.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any, NoReturn

from fedsilo.core.errors import DataError

_MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""The first pickle of a file of `torch.save` before version 1.6: a number of ten bytes."""

_BEFORE = 3
"""Pickles in front of the object in such a file: this number, the version, the machine."""

_ZIP = b"PK\x03\x04"
_FRAMING = {"PROTO", "FRAME", "STOP", "MARK"}
_VALUES = {
    *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
}
_CONTAINERS = {"EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"}
_REPEATS = {"BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET"}
_PLAIN = frozenset(_FRAMING | _VALUES | _CONTAINERS | _REPEATS)
"""Instructions that make plain values. Tuples are not among them: deep ones as keys would exhaust the C stack."""


def is_torch_save(data: bytes) -> bool:
    """Finds out whether a file begins as a file of `torch.save` does.

    Args:
        data: Bytes of the file.

    Returns:
        Whether it does.
    """
    return data.startswith((_MAGIC, _ZIP))


def parse_torch_save(data: bytes, limit: int) -> Any:
    """Reads the object of a file of `torch.save`.

    Args:
        data: Bytes of the file.
        limit: Greatest number of bytes of the object's pickle.

    Returns:
        Lists, dictionaries, texts, numbers, booleans, None.

    Raises:
        DataError: The file is damaged, or contains anything but plain values; the message says what.
    """
    return _load_plain(_unzip(data, limit) if data.startswith(_ZIP) else _skip(data))


def _skip(data: bytes) -> bytes:
    """The file from its fourth pickle on."""
    stream = io.BytesIO(data)
    for _ in range(_BEFORE):
        _scan(stream, len(data))
    return data[stream.tell() :]


def _unzip(data: bytes, limit: int) -> bytes:
    """The pickle of an archive, as `torch.save` writes them since version 1.6."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = [info for info in archive.infolist() if info.filename.rpartition("/")[2] == "data.pkl"]
            if len(found) != 1:
                raise DataError(f"an archive with {len(found)} members data.pkl, not one")
            if found[0].file_size > limit:
                raise DataError(f"data.pkl has {found[0].file_size:,} bytes, at most {limit:,} are read")
            return archive.read(found[0])
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError, EOFError) as error:
        raise DataError(f"a damaged archive: {error}") from error


def _load_plain(data: bytes) -> Any:
    stream = io.BytesIO(data)
    _scan(stream, len(data))
    try:
        return _PlainUnpickler(io.BytesIO(data[: stream.tell()]), encoding="utf-8").load()
    # Instructions in a wrong order raise errors of many types.
    except Exception as error:
        raise DataError(f"a damaged pickle: {type(error).__name__} {error}") from error


def _scan(stream: io.BytesIO, size: int) -> None:
    """Reads the instructions of one pickle and carries none of them out."""
    for name, argument, place in _instructions(stream):
        if name not in _PLAIN:
            shown = f" '{argument}'"[:80] if isinstance(argument, str) else ""
            raise DataError(f"byte {place:,}: the instruction {name}{shown}, not a plain list of texts")
        # The unpickler allocates a table up to this number.
        if name == "LONG_BINPUT" and argument > size:
            raise DataError(f"byte {place:,}: a damaged pickle: entry {argument:,} of {size:,} bytes")


def _instructions(stream: io.BytesIO) -> Iterable[tuple[str, Any, int]]:
    try:
        for code, argument, place in pickletools.genops(stream):
            yield code.name, argument, place or 0
    # Damaged bytes raise errors of many types: ValueError, struct.error, UnicodeDecodeError, OverflowError.
    except Exception as error:
        raise DataError(f"byte {stream.tell():,}: a damaged pickle: {error}") from error


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that knows no name, should an instruction with one ever get here."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise DataError(f"the name {module}.{name}, not a plain list of texts")
