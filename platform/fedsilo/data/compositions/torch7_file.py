"""Reader of torch7's binary files (`torch.save` of Lua): tables, strings, numbers, booleans, and nothing else.

Nothing in the file is executed. Every length is compared with what is left of the file before anything is read, so
memory stays in proportion to the file. All numbers are little-endian.

    object   int32 kind, then: nothing (0 nil), float64 (1 number), int32 length and bytes (2 string),
             int32 index and, at its first occurrence, int32 size and size x (key, value) (3 table), int32 (5 boolean)
"""

from __future__ import annotations

import struct
from typing import Any

from fedsilo.core.errors import DataError

_NIL, _NUMBER, _STRING, _TABLE, _BOOLEAN = 0, 1, 2, 3, 5
_REFUSED = {4: "a torch object (a tensor or a class)", 6: "a function", 7: "a function", 8: "a function"}
_DEPTH = 16
"""Greatest depth of tables in tables; metadata has 2."""

_LEAST_ENTRY = 8
"""Least number of bytes of a key and a value."""


def is_torch7(data: bytes) -> bool:
    """Finds out whether a file begins as torch7's binary format does.

    Args:
        data: Bytes of the file.

    Returns:
        Whether the first four bytes are the kind of an object.
    """
    return len(data) >= 4 and 0 <= int.from_bytes(data[:4], "little") <= 8


def is_torch7_text(data: bytes) -> bool:
    """Finds out whether a file begins as torch7's ASCII format does: with the kind of an object on a line.

    Args:
        data: Bytes of the file.

    Returns:
        Whether it does.
    """
    return data[:1] in tuple(b"%d" % kind for kind in range(9)) and data[1:2] in (b"\n", b"\r")


def parse_torch7(data: bytes) -> Any:
    """Reads the object of a file.

    Args:
        data: Bytes of the file.

    Returns:
        None, a float, a string, a boolean, or a table: a list if its keys are 1, 2, ..., n, otherwise a dictionary.

    Raises:
        DataError: The file is damaged or contains anything else; the message begins with the place in the file.
    """
    reader = _Reader(data)
    value = reader.read_object(0)
    if reader.place != len(data):
        raise reader.error(f"{len(data) - reader.place} bytes follow the object")
    return value


class _Reader:
    """Reads objects one after the other.

    Attributes:
        place: Number of bytes that were read.
    """

    def __init__(self, data: bytes) -> None:
        """Begins at the first byte.

        Args:
            data: The file's bytes.
        """
        self._data = data
        self._tables: dict[int, Any] = {}
        self.place = 0

    def error(self, what: str) -> DataError:
        return DataError(f"byte {self.place:,}: {what}")

    def read_object(self, depth: int) -> Any:
        kind = self._read_integer()
        if kind == _NIL:
            return None
        if kind == _NUMBER:
            (number,) = struct.unpack("<d", self._take(8, "a number"))
            return number
        if kind == _STRING:
            return self._read_string()
        if kind == _TABLE:
            return self._read_table(depth)
        if kind == _BOOLEAN:
            return self._read_integer() != 0
        raise self.error(f"{_REFUSED.get(kind, f'an object of the unknown kind {kind}')}, not a table of texts")

    def _take(self, size: int, what: str) -> bytes:
        left = len(self._data) - self.place
        if not 0 <= size <= left:
            raise self.error(f"{what} of {size:,} bytes, and {left:,} bytes are left")
        self.place += size
        return self._data[self.place - size : self.place]

    def _read_integer(self) -> int:
        return int.from_bytes(self._take(4, "an integer"), "little", signed=True)

    def _read_string(self) -> str:
        text = self._take(self._read_integer(), "a text")
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.error(f"a text that is not UTF-8: {text[:40]!r}") from error

    def _read_table(self, depth: int) -> Any:
        index = self._read_integer()
        if index in self._tables:
            if self._tables[index] is None:
                raise self.error(f"table {index} contains itself")
            return self._tables[index]
        if depth == _DEPTH:
            raise self.error(f"tables in tables, more than {_DEPTH} deep")
        size, left = self._read_integer(), len(self._data) - self.place
        if not 0 <= size <= left // _LEAST_ENTRY:
            raise self.error(f"a table of {size:,} entries, and {left:,} bytes are left")
        self._tables[index] = None  # it is being read
        found: dict[Any, Any] = {}
        for _ in range(size):
            key = self.read_object(depth + 1)
            if not isinstance(key, str | float | bool) or key != key:
                raise self.error(f"a table with a key that is neither text nor number: {str(key)[:40]}")
            found[key] = self.read_object(depth + 1)
        self._tables[index] = _as_list(found)
        return self._tables[index]


def _as_list(table: dict[Any, Any]) -> Any:
    """The values in order if the keys are 1, 2, ..., n; otherwise the table."""
    if not table or any(type(key) is not float for key in table):
        return table
    keys = [float(number) for number in range(1, len(table) + 1)]
    return [table[key] for key in keys] if all(key in table for key in keys) else table
