"""Processes that carry out runs side by side, each one run after the other.

They are processes and not threads because a run holds the cores' caches and torch's settings for itself, and because
one that is killed, for want of memory for instance, takes no other run with it. A process is asked by one JSON line,
the run's folder, and answers by one, why it failed; see `worker`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType


class Worker:
    """One process; it is started when it is first needed, and again after it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def attempt(self, folder: Path) -> str:
        """Carries out one run; returns "" or why it failed, one line."""
        process = self._process = self._process or _start()
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(json.dumps(str(folder)) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return str(json.loads(answer))
        code = process.wait()
        self.stop()
        how = f"was killed (signal {-code})" if code < 0 else f"ended (exit code {code})"
        return f"{folder}: its process {how}. `fedsilo resume {folder}` goes on with it."

    def stop(self) -> None:
        """Ends the process, whatever it is doing; the run it is in can be gone on with."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _start() -> subprocess.Popen[str]:
    # The same modules from the same places, also those that this process was told of after its start.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-m", "fedsilo.runs.comparison.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


class WorkerPool:
    """Several of them; whoever asks gets one that is free."""

    def __init__(self, count: int) -> None:
        """Makes so many; they start when they are needed."""
        self.count = count
        self._all = [Worker() for _ in range(count)]
        self._free: SimpleQueue[Worker] = SimpleQueue()
        for lane in self._all:
            self._free.put(lane)

    def attempt(self, folder: Path) -> str:
        """Carries out one run in a process that is free; waits for one if need be."""
        lane = self._free.get()
        try:
            return lane.attempt(folder)
        finally:
            self._free.put(lane)

    def stop(self) -> None:
        """Ends all processes."""
        for lane in self._all:
            lane.stop()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
