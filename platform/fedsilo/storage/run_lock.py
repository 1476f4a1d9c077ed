"""Locks on a run's folder: one process runs it at a time.

The lock is the operating system's (`flock`), by the library filelock. The system releases it when the process ends,
also after `kill -9`. The lock file stays, and holds the name of the process that took the lock last.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from fedsilo.core.errors import RunError
from fedsilo.storage.run_folder import ROUNDS_LOCK

POLL_S = 0.1


@contextlib.contextmanager
def lock(folder: Path, wait_s: float = 10.0, name: str = ROUNDS_LOCK) -> Iterator[None]:
    """Holds a lock of a run's folder for this process.

    Args:
        folder: The run's folder.
        wait_s: Longest wait for another process that holds the lock, seconds.
        name: `ROUNDS_LOCK` for the process that runs the rounds, which outlives a killed driver for a moment;
            `DRIVER_LOCK` for the process that the user started.

    Yields:
        None, while the lock is held.

    Raises:
        RunError: Another process holds the lock for longer; the message names that process. Or the folder cannot be
            written.
    """
    from filelock import FileLock, Timeout  # imported here: commands that only look need no lock

    path = folder / name
    # A file system without flock is refused: the library's replacement would outlive a killed process.
    held = FileLock(path, timeout=wait_s, poll_interval=POLL_S, fallback_to_soft=False)
    try:
        os.stat(folder)  # a folder that is gone stays gone: the library would make it
        held.acquire()
    except Timeout:
        raise RunError(f"{folder}: {_read_holder(path)} is running in it. Wait for it or stop it.") from None
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror}. Copy the run elsewhere.") from error
    try:
        _write_holder(path)
        yield
    finally:
        held.release()


def _write_holder(path: Path) -> None:
    """Writes who holds the lock into its file. The name is only for messages, so a full disk does not stop the run."""
    with contextlib.suppress(OSError):
        path.write_text(f"another process (number {os.getpid()} on {platform.node()})", encoding="utf-8")


def _read_holder(path: Path) -> str:
    """Who holds the lock, as the holder wrote it."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace") or "another process"
    return "another process"
