"""A run's folder: who may write in it, its journals (JSON lines) and its JSON documents.

scenario.yaml      the resolved scenario         environment.json   versions, hardware, command
partition.json     the frozen partition          partition.png      its picture
rounds.jsonl       one line per round            clients.jsonl      one per client and evaluation
wire.jsonl         what crossed between coordinator and clients
checkpoints/       the newest rounds             result.json        final numbers and hashes
references/NAME/   the same for each method that was run for comparison
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fedsilo.errors import RunError
from fedsilo.state import write_bytes

ROUNDS, CLIENTS, WIRE = "rounds.jsonl", "clients.jsonl", "wire.jsonl"
JOURNALS = (ROUNDS, CLIENTS, WIRE)


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


def find_run_folder(path: Path) -> Path:
    """Returns the folder of an existing run. Raises RunError when there is none."""
    if not path.exists():
        raise RunError(f"{path}: there is no such run. `ls` the folder of tracking.root (default runs/) for its runs.")
    if not (path / "scenario.yaml").is_file():
        raise RunError(f"{path}: is not a run folder, it has no scenario.yaml.")
    return path


@contextlib.contextmanager
def lock(folder: Path, wait_s: float = 10.0) -> Iterator[None]:
    """Holds the run folder for this process; the system releases it even after `kill -9`.

    Raises:
        RunError: Another process holds it for longer than `wait_s` seconds.
    """
    with (folder / ".lock").open("w") as file:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RunError(f"{folder}: another process is running in it. Wait for it or stop it.") from None
                time.sleep(0.1)
        yield


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a JSON document, whole or not at all."""
    write_bytes(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


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
    """Returns the whole lines of a journal; a last line cut off by a crash is left out."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


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
        self._pending[journal].append(json.dumps(document, ensure_ascii=False, separators=(",", ":")))

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
                with (self.folder / name).open("a", encoding="utf-8") as file:
                    file.write("\n".join(lines) + "\n")
                    file.flush()
                    if sync:
                        os.fsync(file.fileno())
            except OSError as error:
                path = self.folder / name
                raise RunError(f"{path}: cannot be written: {error.strerror}. Free space, then resume.") from error
            lines.clear()

    def rewind(self, rounds: int) -> None:
        """Drops all records of rounds from number `rounds` on: they will be made again."""
        self.discard()
        for name in JOURNALS:
            path = self.folder / name
            kept = [line for line in read_lines(path) if line["round"] < rounds]
            if path.exists():
                text = "".join(json.dumps(x, ensure_ascii=False, separators=(",", ":")) + "\n" for x in kept)
                write_bytes(path, text.encode())
