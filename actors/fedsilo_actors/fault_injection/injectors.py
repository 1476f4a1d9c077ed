"""The means: real signals, real exhaustion, real damage. Each strikes the process that calls it."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import ray

from fedsilo_actors.cluster import total_resources
from fedsilo_actors.fault_injection.fault_log import FaultLog
from fedsilo_actors.fault_injection.fault_plan import FaultPoint

HEADROOM_BYTES = 64 << 20
HOARD_BYTES = 8 << 20


class InjectedFault(RuntimeError):
    """What is raised on purpose."""


def strike_worker(ledger: FaultLog, target: str, stage: str, **where: int) -> None:
    """Does to this process, a client's or an encoder's, what is planned for this point.

    Args:
        ledger: The run's faults.
        target: "client" or "encoder".
        stage: What it was doing.
        where: Round, exchange and client, as in a `FaultPoint`.
    """

    def due(deed: str) -> bool:
        return ledger.claim(FaultPoint(f"{deed} {target}", stage, **where))

    if due("kill"):
        kill()
    if due("hang"):
        time.sleep(ledger.plan.hang_s)
    if due("raise"):
        raise InjectedFault(f"raised on purpose, stage '{stage}'")
    if due("exhaust"):
        exhaust_memory()


def strike_coordinator(ledger: FaultLog, stage: str, round: int, exchange: int = 0) -> None:
    """Does to this process, the coordinator's, what is planned for this point."""
    if ledger.claim(FaultPoint("kill coordinator", stage, round, exchange)):
        kill()
    if ledger.claim(FaultPoint("hang coordinator", stage, round, exchange)):
        os.kill(os.getpid(), signal.SIGSTOP)  # sleeping would leave its other thread to answer


def kill() -> None:
    """Ends this process as the system does, with no chance to tidy up."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # the signal is on its way


def exhaust_memory() -> None:
    """Asks for more memory than this process may have. Raises MemoryError, which is real."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    held: list[bytearray] = []
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + HEADROOM_BYTES, hard))
    try:
        while True:
            held.append(bytearray(HEADROOM_BYTES // 4))
    finally:
        held.clear()
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def fill_disk() -> None:
    """Lets no file of this process grow any more: the system refuses every write, as on a full disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))


def fill_store() -> list[Any]:
    """Returns references that keep the object store over-full: more than half of it again has to be moved to disk."""
    room = total_resources()["object_store_memory"]
    return [ray.put(np.ones(HOARD_BYTES, np.uint8)) for _ in range(int(1.5 * room / HOARD_BYTES))]


def damage(checkpoint: Path, drawn: int) -> str:
    """Cuts a file of a checkpoint off or flips one bit of it, and returns what was done.

    Args:
        checkpoint: The checkpoint's folder.
        drawn: A whole number >= 0 that decides what.
    """
    files = sorted(file for file in checkpoint.iterdir() if file.stat().st_size)
    file, place = files[drawn % len(files)], drawn // len(files)
    content = bytearray(file.read_bytes())
    where = (place // 2) % len(content)
    if place % 2:
        content[where] ^= 1 << (place % 8)
        file.write_bytes(content)
        return f"{file.name}: bit flipped in byte {where}"
    os.truncate(file, where)
    return f"{file.name}: cut off after {where} bytes"
