"""Bytes of messages: little-endian numbers and byte strings in a fixed order, read back strictly.

A `Record` is a frozen dataclass with a `Form` for each of its fields: how the value is checked, written and read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from fedsilo.core.errors import ProtocolViolation

MOST_NUMBER = 2**32 - 2
"""Largest number of a client: its point in the secret sharing is one more and must fit four bytes too."""
VERSION = b"FSA\x01"


def malformed(what: str) -> ProtocolViolation:
    """Makes the error for bytes or values that are no valid message.

    Args:
        what: What is wrong.

    Returns:
        The error, to be raised; its reason is 'garbage'.
    """
    return ProtocolViolation(f"secure sum: {what}. The message is damaged or of another version.", reason="garbage")


def read_kind(message: bytes) -> int:
    """Reads the kind that a message claims to have; its class then checks it.

    Args:
        message: Any bytes.

    Returns:
        The kind; -1 where the message is too short.
    """
    return Reader(message[4:8]).read_number() if len(message) >= 8 else -1


def encode_number(value: int) -> bytes:
    """Encodes a number as four bytes.

    Args:
        value: In [0, 2**32).

    Returns:
        Four bytes, little-endian.
    """
    return value.to_bytes(4, "little")


def encode_numbers(values: Iterable[int]) -> bytes:
    """Encodes numbers, with their count before them.

    Args:
        values: Each in [0, 2**32).

    Returns:
        Four bytes for the count and four for each number.
    """
    encoded = [encode_number(value) for value in values]
    return encode_number(len(encoded)) + b"".join(encoded)


def encode_bytes(value: bytes) -> bytes:
    """Encodes a byte string of any length, with its length before it.

    Args:
        value: The bytes.

    Returns:
        Four bytes for the length, and the bytes.
    """
    return encode_number(len(value)) + value


class Reader:
    """Reads an encoding from its beginning; missing and surplus bytes are refused."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        """Reads the next bytes.

        Args:
            size: How many.

        Returns:
            The bytes.

        Raises:
            ProtocolViolation: Fewer are left.
        """
        if size > len(self._data) - self._at:
            raise malformed(f"{size} bytes expected, {len(self._data) - self._at} left")
        self._at += size
        return self._data[self._at - size : self._at]

    def read_number(self) -> int:
        """Reads the next number."""
        return int.from_bytes(self.take(4), "little")

    def read_numbers(self) -> tuple[int, ...]:
        """Reads the next list of numbers."""
        return self.read_list(Reader.read_number)

    def read_list(self, read: Callable[[Reader], Any]) -> tuple[Any, ...]:
        """Reads the items of a list; an announced length above what is there ends at the first missing item.

        Args:
            read: Reads one item.

        Returns:
            The items.
        """
        return tuple(read(self) for _ in range(self.read_number()))

    def read_text(self) -> bytes:
        """Reads the next byte string of any length."""
        return self.take(self.read_number())

    def finish(self) -> None:
        """Refuses bytes that are left."""
        if self._at != len(self._data):
            raise malformed(f"{len(self._data) - self._at} bytes too many")


@dataclass(frozen=True, slots=True)
class Form:
    """How the values of a field are checked, written and read.

    Attributes:
        fits: Whether a value is valid.
        write: Encodes a value.
        read: Reads a value.
    """

    fits: Callable[[Any], bool]
    write: Callable[[Any], bytes]
    read: Callable[[Reader], Any]


def _is_client(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= MOST_NUMBER


def _ascends(values: Iterable[int]) -> bool:
    last = -1
    for value in values:
        if not _is_client(value) or value <= last:
            return False
        last = value
    return True


def _is_row(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint32 and value.ndim == 1


def _read_row(reader: Reader) -> Any:
    data = reader.read_text()
    if len(data) % 4:
        raise malformed("a vector is cut off")
    return np.frombuffer(data, dtype="<u4").astype(np.uint32, copy=False)


CLIENT = Form(_is_client, encode_number, Reader.read_number)
CLIENTS = Form(lambda value: isinstance(value, tuple) and _ascends(value), encode_numbers, Reader.read_numbers)
TEXT = Form(lambda value: isinstance(value, bytes), encode_bytes, Reader.read_text)
ROW = Form(_is_row, lambda value: encode_bytes(value.astype("<u4", copy=False).tobytes()), _read_row)


def fixed_bytes(size: int) -> Form:
    """Makes the form of byte strings of one size.

    Args:
        size: Bytes.

    Returns:
        The form.
    """
    return Form(
        lambda value: isinstance(value, bytes) and len(value) == size,
        lambda value: bytes(value),
        lambda reader: reader.take(size),
    )


def optional_bytes(size: int) -> Form:
    """Makes the form of byte strings that have one size or are empty.

    Args:
        size: Bytes.

    Returns:
        The form.
    """
    return Form(lambda value: isinstance(value, bytes) and len(value) in (0, size), encode_bytes, Reader.read_text)


def record_tuple(record: type[Record], owner: str) -> Form:
    """Makes the form of tuples of records that ascend by a client.

    Args:
        record: Class of the records.
        owner: The field with the client's number.

    Returns:
        The form.
    """
    return Form(
        lambda value: (
            isinstance(value, tuple)
            and all(isinstance(item, record) for item in value)
            and _ascends(getattr(item, owner) for item in value)
        ),
        lambda value: encode_number(len(value)) + b"".join(item.body() for item in value),
        lambda reader: reader.read_list(record.read),
    )


class Record:
    """A value whose fields have forms; a value that does not fit them cannot be made, from bytes or otherwise."""

    __slots__ = ()
    forms: ClassVar[tuple[Form, ...]]

    def __post_init__(self) -> None:
        for field, form in zip(fields(self), self.forms, strict=True):  # type: ignore[arg-type]
            if not form.fits(getattr(self, field.name)):
                raise malformed(f"{type(self).__name__}.{field.name} has an invalid value")

    def body(self) -> bytes:
        """Encodes the fields, in order."""
        names = (field.name for field in fields(self))  # type: ignore[arg-type]
        return b"".join(form.write(getattr(self, name)) for name, form in zip(names, self.forms, strict=True))

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads a record.

        Args:
            reader: Stands at the record's first field.

        Returns:
            The record.
        """
        return cls(*(form.read(reader) for form in cls.forms))


class Message(Record):
    """A record that is sent by itself: version and kind before it, nothing after it.

    Attributes:
        kind: Number of the kind in the encoding.
        label: Name of the kind in wire.jsonl and in messages to people.
    """

    __slots__ = ()
    kind: ClassVar[int]
    label: ClassVar[str]

    def to_bytes(self) -> bytes:
        """Encodes the message."""
        return VERSION + encode_number(self.kind) + self.body()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decodes a message.

        Args:
            data: The encoding.

        Returns:
            The message.

        Raises:
            ProtocolViolation: The bytes are no message of this kind.
        """
        reader = Reader(data)
        if reader.take(4) != VERSION or reader.read_number() != cls.kind:
            raise malformed(f"not a {cls.__name__}")
        message = cls.read(reader)
        reader.finish()
        return message
