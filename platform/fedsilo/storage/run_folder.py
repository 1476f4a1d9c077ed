"""A run's folder: its journals (JSON lines) and its JSON documents.

scenario.yaml      the resolved scenario         environment.json   versions, hardware, command; each resumption's too
partition.json     the frozen partition          partition.png      its picture
heterogeneity.json how much the clients' data differ, beside what chance alone would give
rounds.jsonl       one line per round            clients.jsonl      one per client and evaluation
curves.jsonl       for tasks that have a curve, such as composition: its points, one line per evaluated round
candidates.json    for classes composed of parts: words, parts, and which may be predicted
wire.jsonl         what crossed between coordinator and clients
timeline.jsonl     when each stage of a round and each client's part in it began, and how long it took
checkpoints/       the newest rounds             result.json        final numbers and hashes
data.json          data at the run's start       .lock, .driver.lock    who runs the rounds, who was started by the user
ledger.jsonl       every noisy release           privacy.json       what the run and each client have spent
references/NAME/   the same for each method that was run for comparison
report.html        all of it on one page, see `report.page`
tracking.json      which rounds each logger has got, see `trackers`
audit/, audit*.json    shadow runs of `fedsilo audit`, and their result
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fedsilo.core.errors import RunError
from fedsilo.core.metrics import LOCAL
from fedsilo.core.state import write_bytes

ROUNDS, CLIENTS, WIRE, TIMELINE = "rounds.jsonl", "clients.jsonl", "wire.jsonl", "timeline.jsonl"
CURVES = "curves.jsonl"
JOURNALS = (ROUNDS, CLIENTS, WIRE, TIMELINE, CURVES)
ESCAPED = "backslashreplace"
"""How halves of letters are written, which names of folders can hold: as escapes that JSON can read."""
ROUNDS_LOCK, DRIVER_LOCK = ".lock", ".driver.lock"


def create_run_folder(root: Path, name: str) -> Path:
    """Creates an empty folder for a run; two runs started at once get two folders.

    Args:
        root: Folder of all runs, `tracking.root`.
        name: The run's name.

    Returns:
        The folder `<root>/<name>-<time>`.

    Raises:
        RunError: The folder cannot be made, or there are too many of that name and time.
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        folder = root / (f"{name}-{stamp}" if attempt == 0 else f"{name}-{stamp}-{attempt + 1}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if folder.is_dir():
                continue
            raise RunError(f"{root}: is not a folder. Choose another tracking.root.") from None
        except OSError as error:
            raise RunError(f"{folder}: cannot be made: {error.strerror}. Choose another tracking.root.") from error
        return folder
    raise RunError(f"{root}: has too many runs of {name} at {stamp}.")


def create_named_folder(folder: Path) -> Path:
    """Creates an empty folder for a run under a given name.

    Args:
        folder: The run's folder.

    Returns:
        The same folder.

    Raises:
        RunError: The folder exists or cannot be made.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise RunError(f"{folder}: is there already. `fedsilo resume {folder}` goes on with a run.") from None
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}. Choose another folder.") from error
    return folder


def find_run_folder(path: Path) -> Path:
    """Checks that a folder is the folder of a run.

    Args:
        path: The folder that the user named.

    Returns:
        The same path.

    Raises:
        RunError: There is no such folder, or it has no scenario.yaml.
    """
    if not path.exists():
        raise RunError(f"{path}: there is no such run. `ls` the folder of tracking.root (default runs/) for its runs.")
    if not (path / "scenario.yaml").is_file():
        raise RunError(f"{path}: is not a run folder, it has no scenario.yaml.")
    return path


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a JSON document, whole or not at all.

    Args:
        path: The file.
        document: What is written; nan and infinities become null, because JSON has no word for them.
    """
    text = json.dumps(to_json_value(document), indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode("utf-8", ESCAPED))


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON document.

    Args:
        path: The file.

    Returns:
        The document.

    Raises:
        RunError: The file is missing, damaged, or holds no JSON object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {error}.") from error
    if not isinstance(document, dict):
        raise RunError(f"{path}: is not a JSON object.")
    return document


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Reads the records of a journal.

    Args:
        path: The journal; it may be missing.

    Returns:
        The records in order. Damaged lines, such as a last line cut off by a crash, are left out.
    """
    if not path.exists():
        return []
    return [record for record in map(_record, path.read_bytes().splitlines()) if record is not None]


def read_last_lines(path: Path, most_bytes: int = 1 << 20) -> list[dict[str, Any]]:
    """Reads the last records of a journal.

    Args:
        path: The journal; it may be missing.
        most_bytes: Bytes at the end of the file that are read.

    Returns:
        The records within these bytes, in order.
    """
    if not path.exists():
        return []
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - most_bytes))
        return [record for record in map(_record, file.read().splitlines()) if record is not None]


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("round"), int) else None


class Journals:
    """The journals of one run folder, appended round by round.

    Lines of a round are kept in memory until `commit`, so a round that is repeated leaves no half of itself.
    """

    def __init__(self, folder: Path) -> None:
        """Opens journals in an existing folder; nothing is written yet.

        Args:
            folder: The run's folder.
        """
        self.folder = folder
        self._pending: dict[str, list[str]] = {name: [] for name in JOURNALS}

    def add(self, journal: str, record: Any) -> None:
        """Keeps one record for the next commit.

        Args:
            journal: Name of the journal, one of `JOURNALS`.
            record: A mapping or a dataclass.
        """
        document = asdict(record) if is_dataclass(record) and not isinstance(record, type) else record
        self._pending[journal].append(_line(document))

    def discard(self) -> None:
        """Drops the records that were not committed."""
        for lines in self._pending.values():
            lines.clear()

    def commit(self, *, sync: bool = False) -> None:
        """Writes the kept records.

        Args:
            sync: Whether the records are on disk when this returns.

        Raises:
            RunError: The disk refuses.
        """
        for name, lines in self._pending.items():
            if not lines:
                continue
            try:
                with (self.folder / name).open("a", encoding="utf-8", errors=ESCAPED) as file:
                    file.write("\n".join(lines) + "\n")
                    file.flush()
                    if sync:
                        os.fsync(file.fileno())
            except OSError as error:
                path = self.folder / name
                raise RunError(f"{path}: cannot be written: {error.strerror}. Free space, then resume.") from error
            lines.clear()

    def rewind(self, rounds: int) -> None:
        """Drops all records from a round on, because these rounds will be repeated.

        Args:
            rounds: Number of the first round that is dropped.

        Raises:
            RunError: Records of earlier rounds are missing; the result would differ without them.
        """
        self.discard()
        kept = {name: [x for x in read_lines(self.folder / name) if x["round"] < rounds] for name in JOURNALS}
        self._require(rounds, kept[ROUNDS], kept[CLIENTS])
        for name, records in kept.items():
            path = self.folder / name
            if path.exists():
                write_bytes(path, "".join(f"{_line(record)}\n" for record in records).encode("utf-8", ESCAPED))

    def _require(self, rounds: int, done: Sequence[dict[str, Any]], scores: Sequence[dict[str, Any]]) -> None:
        """Refuses journals in which a round, or a client of an evaluation, is missing."""
        evaluated = {record["round"] for record in done if _evaluated(record)}
        measured = Counter(score["round"] for score in scores)
        most = max(measured.values(), default=1)
        name = ""
        if [record["round"] for record in done] != list(range(rounds)):
            name = ROUNDS
        elif any(measured[round] != most for round in evaluated):
            name = CLIENTS
        if name:
            raise RunError(
                f"{self.folder / name}: records of rounds before {rounds} are missing or damaged. "
                f"Put the file back, or delete {self.folder / 'checkpoints'} to repeat all rounds."
            )


def _evaluated(record: Mapping[str, Any]) -> bool:
    """Whether clients were evaluated in a round."""
    return any(value is not None for name, value in record.items() if name.startswith(LOCAL))


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(to_json_value(document), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def to_json_value(value: Any) -> Any:
    """Converts a value to one that JSON can hold.

    Args:
        value: Nested mappings, sequences and plain values.

    Returns:
        The same with lists for tuples and None for nan and infinities.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: to_json_value(item) for key, item in value.items()}
    return [to_json_value(item) for item in value] if isinstance(value, (list, tuple)) else value
