"""Processes that execute runs at the same time, each one run after the other.

They are processes and not threads, because a run uses torch's global settings, and because a process that is killed,
for example for lack of memory, stops no other run. A process receives one JSON line, the run's folder, and answers with
one JSON line, an error or ""; see `worker`.
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
    """One process. It starts with its first run, and starts again after it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def attempt(self, folder: Path) -> str:
        """Executes one run.

        Args:
            folder: The run's folder.

        Returns:
            "" or, on one line, why it failed.
        """
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
        return f"{folder}: its process {how}. `fedsilo resume {folder}` continues it."

    def stop(self) -> None:
        """Ends the process at once. Its run can be resumed."""
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
    # The same module search path, with entries that were added after this process started.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-m", "fedsilo.runs.comparison.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


class WorkerPool:
    """A fixed number of processes that share the runs."""

    def __init__(self, count: int) -> None:
        """Creates the workers without starting their processes.

        Args:
            count: Number of processes.
        """
        self.count = count
        self._all = [Worker() for _ in range(count)]
        self._free: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._all:
            self._free.put(worker)

    def attempt(self, folder: Path) -> str:
        """Executes one run in a free process, and waits for one if necessary.

        Args:
            folder: The run's folder.

        Returns:
            "" or, on one line, why it failed.
        """
        worker = self._free.get()
        try:
            return worker.attempt(folder)
        finally:
            self._free.put(worker)

    def stop(self) -> None:
        """Ends all processes."""
        for worker in self._all:
            worker.stop()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
