"""The process that executes runs."""

import subprocess
import sys


def test_a_worker_does_not_outlive_the_process_that_started_it() -> None:
    worker = (
        "import os; from fedsilo.runs.comparison.worker import _end_with_parent; parent = os.getppid(); "
        "print(flush=True); _end_with_parent(parent)"
    )
    start = f"subprocess.Popen([sys.executable, '-c', {worker!r}], stdout=subprocess.PIPE)"
    starter = f"import os, subprocess, sys; {start}.stdout.readline(); os._exit(7)"
    # Both hold the pipe for errors, so this returns when both have ended.
    done = subprocess.run([sys.executable, "-c", starter], capture_output=True)
    assert (done.returncode, done.stderr) == (7, b"")
