"""The lines of ledger.jsonl: one for each exchange that releases something, on disk before the release."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fedsilo.core.errors import RunError

LEDGER = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of the ledger.

    Attributes:
        round: Round, from 0.
        exchange: Exchange within the round, from 0.
        attempt: Number of the attempt at the round.
        clients: The clients whose contributions are in the release.
        start: Hash of the states that the round began from; "" in older ledgers.
        arithmetic: What else the bits depend on, beside the scenario; "" in older ledgers, which had other noise.
    """

    round: int
    exchange: int
    attempt: int
    clients: tuple[int, ...]
    start: str = ""
    arithmetic: str = ""


def read_entries(path: Path, clients: Collection[int] | None = None) -> list[LedgerEntry]:
    """Reads the lines of a ledger.

    A last line that a crash cut off was never followed by its release, so it is removed. A last line that lacks only
    its
    newline may have been followed by its release, so it counts, and gets its newline back.

    Args:
        path: The ledger; it may be missing.
        clients: Clients with training images, the only ones that can have been charged; None if they are not known.

    Returns:
        The entries, in order.

    Raises:
        RunError: Any other line is damaged, or the file cannot be read.
    """
    try:
        content = path.read_bytes() if path.exists() else b""
        whole, newline, last = content.rpartition(b"\n")
        complete = bool(last) and _is_charge(last)
        entries = _entries((content if complete else whole).splitlines(), clients)
        if complete:
            _append(path, b"\n")
        elif last:
            os.truncate(path, len(whole + newline))
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read: {error.strerror}. Put the file back; it says what was spent."
        ) from None
    except ValueError as error:
        raise RunError(f"{path}: is damaged: {error}. Put the file back; it says what was spent.") from None
    return entries


def _entries(lines: Sequence[bytes], clients: Collection[int] | None) -> list[LedgerEntry]:
    known: dict[tuple[int, ...], tuple[int, ...]] = {}  # most lines name the same clients
    entries = [_entry(number, line, known) for number, line in enumerate(lines, 1)]
    deviations = [client for named in known for client in named if clients is not None and client not in clients]
    if deviations:
        raise ValueError(f"it charges client {deviations[0]}, which trains on nothing in this run")
    return entries


def _entry(number: int, line: bytes, known: dict[tuple[int, ...], tuple[int, ...]]) -> LedgerEntry:
    """One line. Raises ValueError with its number if `append_entry` cannot have written it."""
    try:
        read = json.loads(line)
        clients = tuple(map(_whole, read["clients"]))
        texts = [read.get(key, "") for key in ("start", "arithmetic")]
        round, exchange, attempt = (_whole(read[key]) for key in ("round", "exchange", "attempt"))
        if len(set(clients)) < len(clients) or not all(isinstance(text, str) for text in texts):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"line {number}, {line[:60]!r}, is no charge") from None
    start, arithmetic = map(sys.intern, texts)
    return LedgerEntry(round, exchange, attempt, known.setdefault(clients, clients), start, arithmetic)


def _is_charge(line: bytes) -> bool:
    try:
        _entry(0, line, {})
    except ValueError:
        return False
    return True


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def append_entry(path: Path, entry: LedgerEntry) -> None:
    """Appends one line and syncs it to disk.

    Args:
        path: The ledger.
        entry: The line.

    Raises:
        RunError: The disk refuses; the exchange must not be released then.
    """
    try:
        _append(path, json.dumps(asdict(entry), separators=(",", ":")).encode() + b"\n")
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}. Free space, then resume.") from error


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
