"""A run's folder: who may write in it, its journals (JSON lines) and its JSON documents.

scenario.yaml      the resolved scenario         environment.json   versions, hardware, command; each resumption's too
partition.json     the frozen partition          partition.png      its picture
heterogeneity.json how unlike each other the clients are, beside what chance makes of it
rounds.jsonl       one line per round            clients.jsonl      one per client and evaluation
wire.jsonl         what crossed between coordinator and clients
timeline.jsonl     when each stage of a round and each client's part in it began, and how long it took
checkpoints/       the newest rounds             result.json        final numbers and hashes
data.json          what the run began with       .lock, .driver.lock    who runs the rounds, who was asked to
ledger.jsonl       every noisy release           privacy.json       what the run and each client have spent
references/NAME/   the same for each method that was run for comparison
report.html        all of it on one page, see `report.page`
tracking.json      which rounds each logger was told of, see `trackers`
audit/, audit*.json    shadow runs of `fedsilo audit`, and what it found
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from fedsilo.core.errors import RunError
from fedsilo.core.metrics import LOCAL
from fedsilo.core.printing import encode_utf8
from fedsilo.core.state import write_bytes

ROUNDS, CLIENTS, WIRE, TIMELINE = "rounds.jsonl", "clients.jsonl", "wire.jsonl", "timeline.jsonl"
JOURNALS = (ROUNDS, CLIENTS, WIRE, TIMELINE)
ROUNDS_LOCK, DRIVER_LOCK = ".lock", ".driver.lock"


def create_run_folder(root: Path, name: str) -> Path:
    """Returns a new, empty folder `<root>/<name>-<time>`; two runs started at once get two folders."""
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
    """Returns a new, empty run folder of that name. Raises RunError when it is there or cannot be made."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise RunError(f"{folder}: is there already. `fedsilo resume {folder}` goes on with a run.") from None
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}. Choose another folder.") from error
    return folder


def find_run_folder(path: Path) -> Path:
    """Returns the folder of an existing run. Raises RunError when there is none."""
    if not path.exists():
        raise RunError(f"{path}: there is no such run. `ls` the folder of tracking.root (default runs/) for its runs.")
    if not (path / "scenario.yaml").is_file():
        raise RunError(f"{path}: is not a run folder, it has no scenario.yaml.")
    return path


@contextlib.contextmanager
def lock(folder: Path, wait_s: float = 10.0, name: str = ROUNDS_LOCK) -> Iterator[None]:
    """Holds the run folder for this process; the system releases it even after `kill -9`.

    Args:
        folder: The run's folder.
        wait_s: How long to wait for whoever holds it, seconds.
        name: `ROUNDS_LOCK` for whoever runs the rounds, which outlives a killed driver for a moment; `DRIVER_LOCK` for
            the process that was asked to run or resume.

    Raises:
        RunError: Another process holds it for longer, or the folder cannot be written.
    """
    with _opened_lock(folder / name) as file:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    file.seek(0)
                    holder = file.read() or "another process"
                    raise RunError(f"{folder}: {holder} is running in it. Wait for it or stop it.") from None
                time.sleep(0.1)
        _sign(file)
        yield


def _sign(file: TextIO) -> None:
    """Leaves word of who holds the lock; a courtesy, so that a full disk is no reason to stop here."""
    with contextlib.suppress(OSError):
        os.truncate(file.fileno(), 0)
        os.write(file.fileno(), f"another process (number {os.getpid()} on {platform.node()})".encode())


def _opened_lock(path: Path) -> TextIO:
    try:
        return path.open("a+")  # not "w": that would wipe out the word of whoever holds it
    except OSError as error:
        raise RunError(f"{path.parent}: cannot be written: {error.strerror}. Copy the run elsewhere.") from error


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a JSON document, whole or not at all; what is not a number is null, JSON has no other word for it."""
    write_bytes(path, encode_utf8(json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"))


def read_json(path: Path) -> dict[str, Any]:
    """Returns a JSON document. Raises RunError when it is missing or damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {error}.") from error
    if not isinstance(document, dict):
        raise RunError(f"{path}: is not a JSON object.")
    return document


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the records of a journal; a line that is none, such as a last one cut off by a crash, is left out."""
    if not path.exists():
        return []
    return [record for record in map(_record, path.read_bytes().splitlines()) if record is not None]


def last_lines(path: Path, most_bytes: int = 1 << 20) -> list[dict[str, Any]]:
    """Returns the last records of a journal, as many as are within the last bytes."""
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

    Lines of a round are kept back until `commit`, so that a round that is tried again leaves no half of itself.
    """

    def __init__(self, folder: Path) -> None:
        """Opens journals in an existing folder; nothing is written yet."""
        self.folder = folder
        self._pending: dict[str, list[str]] = {name: [] for name in JOURNALS}

    def add(self, journal: str, record: Any) -> None:
        """Keeps one record (a mapping or a dataclass) for the next commit."""
        document = asdict(record) if is_dataclass(record) and not isinstance(record, type) else record
        self._pending[journal].append(_line(document))

    def discard(self) -> None:
        """Forgets what was not committed."""
        for lines in self._pending.values():
            lines.clear()

    def commit(self, *, sync: bool = False) -> None:
        """Writes the kept records; with `sync` they are on disk when it returns."""
        for name, lines in self._pending.items():
            if not lines:
                continue
            try:
                with (self.folder / name).open("a", encoding="utf-8", errors="backslashreplace") as file:
                    file.write("\n".join(lines) + "\n")
                    file.flush()
                    if sync:
                        os.fsync(file.fileno())
            except OSError as error:
                path = self.folder / name
                raise RunError(f"{path}: cannot be written: {error.strerror}. Free space, then resume.") from error
            lines.clear()

    def rewind(self, rounds: int) -> None:
        """Drops all records of rounds from number `rounds` on: they will be made again.

        Raises:
            RunError: Records of earlier rounds are missing; a result without them would be another one.
        """
        self.discard()
        kept = {name: [x for x in read_lines(self.folder / name) if x["round"] < rounds] for name in JOURNALS}
        self._require(rounds, kept[ROUNDS], kept[CLIENTS])
        for name, records in kept.items():
            path = self.folder / name
            if path.exists():
                write_bytes(path, encode_utf8("".join(f"{_line(record)}\n" for record in records)))

    def _require(self, rounds: int, done: Sequence[dict[str, Any]], scores: Sequence[dict[str, Any]]) -> None:
        """Refuses journals without one record per round, or with fewer clients in one evaluation than in another."""
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
                f"Put the file back, or delete {self.folder / 'checkpoints'} to have all rounds made again."
            )


def _evaluated(record: Mapping[str, Any]) -> bool:
    """Whether clients were measured in a round."""
    return any(value is not None for name, value in record.items() if name.startswith(LOCAL))


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(plain(document), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def plain(value: Any) -> Any:
    """Returns the value as JSON can hold it: nan and infinities, which it has no words for, as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
