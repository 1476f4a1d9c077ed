"""Processes that execute runs; a few lines of Python stand in for the process itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from fedsilo.runs.comparison import worker_pool
from fedsilo.runs.comparison.worker_pool import Worker, WorkerPool

SCRIPT = """\
import json, os, signal, sys
for line in sys.stdin:
    word = json.loads(line)
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "end":
        sys.exit(3)
    print(json.dumps("" if word == "good" else f"{word} failed"), flush=True)
"""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[str]]:
    """The processes that were started."""
    every: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        every.append(subprocess.Popen([sys.executable, "-I", "-c", SCRIPT], stdin=pipe, stdout=pipe, text=True))
        return every[-1]

    monkeypatch.setattr(worker_pool, "_start", start)
    return every


@pytest.mark.parametrize(("word", "how"), [("kill", "was killed (signal 9)"), ("end", "ended (exit code 3)")])
def test_a_process_that_ends_is_one_line_and_replaced(
    started: list[subprocess.Popen[str]], word: str, how: str
) -> None:
    worker = Worker()
    assert worker.attempt(Path("good")) == ""
    assert worker.attempt(Path("bad")) == "bad failed"
    assert len(started) == 1
    assert worker.attempt(Path(word)) == f"{word}: its process {how}. `fedsilo resume {word}` continues it."
    assert worker.attempt(Path("good")) == ""
    assert len(started) == 2
    worker.stop()


def test_a_pool_starts_only_the_processes_that_it_needs_and_ends_them(started: list[subprocess.Popen[str]]) -> None:
    with WorkerPool(3) as pool:
        assert [pool.attempt(Path(word)) for word in ("good", "bad")] == ["", "bad failed"]
        assert len(started) <= 2
        assert all(process.poll() is None for process in started)
    assert all(process.poll() is not None for process in started)
