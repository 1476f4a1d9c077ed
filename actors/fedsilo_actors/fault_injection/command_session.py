"""A command in a session of its own, with a time limit; all its processes are gone at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GRACE_S = 15.0
"""Longest time that processes may outlive the one that started them, as Ray's do for a moment, seconds."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a command.

    Attributes:
        code: Its exit code, below 0 a signal; None when it was ended at its time limit.
        errors: What it wrote to standard error.
        left: Number of processes that it left behind and that did not end by themselves.
    """

    code: int | None
    errors: str
    left: int


def run_command(words: Sequence[str], environment: Mapping[str, str], log: Path, limit_s: float) -> Ending:
    """Runs a command; its output and that of its children go to a file.

    Args:
        words: The command.
        environment: Its environment.
        log: The file for its output.
        limit_s: Longest time, seconds.

    Returns:
        How it ended.
    """
    with log.open("wb") as errors:
        process = subprocess.Popen(
            words, env=dict(environment), stdout=errors, stderr=errors, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            code: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            left = _end(process.pid, 0.0 if process.poll() is None else GRACE_S)
            process.wait()
    return Ending(code, log.read_text(errors="replace"), left)


def _end(session: int, grace_s: float) -> int:
    """Waits for all processes of a session to end, then ends the rest; returns how many had to be ended."""
    deadline = time.monotonic() + grace_s
    while (left := _members(session)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for number in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return len(left)


def _members(session: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # a process may end while it is looked at
            state, _, _, own = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(own) == session and state != "Z":
                found.append(int(folder.name))
    return found
