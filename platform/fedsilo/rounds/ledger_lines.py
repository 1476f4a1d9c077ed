"""The lines of ledger.jsonl: one for each exchange that opens something, on disk before it does."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedsilo.errors import RunError

LEDGER = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger.

    Attributes:
        round: Round, from 0.
        exchange: Exchange within the round, from 0.
        attempt: The number of the attempt at the round.
        clients: Whose contributions are in what was opened.
        start: Hash of the states that the round began from; "" in older ledgers.
        arithmetic: What its bits depend on beside that and the scenario; "" in older ledgers, which had other noise.
    """

    round: int
    exchange: int
    attempt: int
    clients: tuple[int, ...]
    start: str = ""
    arithmetic: str = ""


def read_entries(path: Path) -> list[Entry]:
    """Returns the lines of a ledger, none if there is no file.

    A last line that was cut off by a crash was never followed by its release, and is taken away.

    Raises:
        RunError: Any other line is damaged.
    """
    content = path.read_bytes() if path.exists() else b""
    whole, _, torn = content.rpartition(b"\n")
    if torn:
        os.truncate(path, len(content) - len(torn))
    known: dict[tuple[int, ...], tuple[int, ...]] = {}  # most lines name the same clients
    try:
        return [_entry(json.loads(line), known) for line in whole.splitlines()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: is damaged: {error!r}. Put the file back; it says what was spent.") from error


def _entry(line: Mapping[str, Any], known: dict[tuple[int, ...], tuple[int, ...]]) -> Entry:
    clients = tuple(int(n) for n in line["clients"])
    start, arithmetic = (sys.intern(str(line.get(key, ""))) for key in ("start", "arithmetic"))
    round, exchange, attempt = (int(line[key]) for key in ("round", "exchange", "attempt"))
    return Entry(round, exchange, attempt, known.setdefault(clients, clients), start, arithmetic)


def append_entry(path: Path, entry: Entry) -> None:
    """Appends one line, synced: a release that is not on record would be a release for nothing.

    Raises:
        RunError: The disk refuses.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry), separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}. Free space, then resume.") from error
