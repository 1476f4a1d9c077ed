"""Locks of run folders, held and lost by real processes."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fedsilo.core.errors import RunError
from fedsilo.storage.run_folder import DRIVER_LOCK, ROUNDS_LOCK
from fedsilo.storage.run_lock import lock

Holder = Callable[[Path], Any]


def _hold(folder: str, ready: Any, done: Any) -> None:
    with lock(Path(folder)):
        ready.set()
        done.wait()


@pytest.fixture
def hold() -> Iterator[Holder]:
    """Returns hold(folder): a process that holds the lock, and an event that has it end."""
    context = multiprocessing.get_context("spawn")
    started = []

    def start(folder: Path) -> Any:
        ready, done = context.Event(), context.Event()
        process = context.Process(target=_hold, args=(str(folder), ready, done), daemon=True)
        process.start()
        started.append(process)
        while not ready.wait(0.1):
            assert process.is_alive()
        return process, done

    yield start
    for process in started:
        process.kill()
        process.join(60)


def refused(folder: Path, wait_s: float = 0.0) -> str:
    with pytest.raises(RunError) as caught, lock(folder, wait_s):
        pass
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_second_process_in_the_same_run_is_refused_until_the_first_is_killed(hold: Holder, tmp_path: Path) -> None:
    holder, _ = hold(tmp_path)
    text = refused(tmp_path, 0.2)
    assert text.startswith(f"{tmp_path}: another process (number {holder.pid} on ")
    assert text.endswith(") is running in it. Wait for it or stop it.")
    with lock(tmp_path, wait_s=0, name=DRIVER_LOCK):
        pass
    holder.kill()
    holder.join()
    with lock(tmp_path, wait_s=5):
        assert f"number {os.getpid()} on " in (tmp_path / ROUNDS_LOCK).read_text()


def test_a_process_that_waits_in_vain_leaves_the_holder_s_name_in_the_file(hold: Holder, tmp_path: Path) -> None:
    holder, _ = hold(tmp_path)
    for wait_s in (0.0, 0.3):
        assert f"number {holder.pid} on " in refused(tmp_path, wait_s)
    assert f"number {holder.pid} on " in (tmp_path / ROUNDS_LOCK).read_text()


def test_a_process_waits_no_longer_than_its_limit_and_not_after_the_lock_is_free(hold: Holder, tmp_path: Path) -> None:
    holder, done = hold(tmp_path)
    began = time.monotonic()
    refused(tmp_path, 1.0)
    assert time.monotonic() - began >= 1.0
    done.set()
    with lock(tmp_path, wait_s=60):
        pass
    assert time.monotonic() - began < 50
    holder.join()
    assert holder.exitcode == 0


def test_the_lock_is_free_after_an_error_inside_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), lock(tmp_path, wait_s=0):
        raise ValueError("inside")
    with lock(tmp_path, wait_s=0):
        assert "is running in it" in refused(tmp_path)  # also within one process


def test_a_child_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    with lock(tmp_path, wait_s=0):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with lock(tmp_path, wait_s=0):
            pass
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone").endswith(
        "gone: cannot be written: No such file or directory. Copy the run elsewhere."
    )


READ_ONLY = """\
import os, sys
from pathlib import Path
import filelock
from fedsilo.core.errors import RunError
from fedsilo.storage.run_lock import lock

if os.getuid() == 0:
    os.setuid(65534)
try:
    with lock(Path(sys.argv[1]), wait_s=0):
        print("held")
except RunError as error:
    print(error)
"""


@pytest.mark.parametrize("there", [False, True], ids=["new", "lock file there"])
def test_a_read_only_folder_is_one_line(there: bool) -> None:
    folder = Path(tempfile.mkdtemp())  # not below pytest's, into which no other user may look
    try:
        if there:
            (folder / ROUNDS_LOCK).write_text("")
            (folder / ROUNDS_LOCK).chmod(0o444)
        folder.chmod(0o555)
        run = subprocess.run([sys.executable, "-c", READ_ONLY, str(folder)], capture_output=True, text=True)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert run.stdout == f"{folder}: cannot be written: Permission denied. Copy the run elsewhere.\n", run.stderr
