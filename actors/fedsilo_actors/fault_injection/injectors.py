"""Real faults: signals, exhaustion, damage. Each strikes the process that calls it."""

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
    """An error that is raised on purpose."""


def strike_worker(ledger: FaultLog, target: str, stage: str, **where: int) -> None:
    """Strikes this process, a client's or an encoder's, as planned for this point.

    Args:
        ledger: The run's faults.
        target: "client" or "encoder".
        stage: The stage of the run.
        **where: Round, exchange and client, as in a `FaultPoint`.

    Raises:
        InjectedFault: "raise" is planned.
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
    """Strikes this process, the coordinator's, as planned for this point.

    Args:
        ledger: The run's faults.
        stage: The stage of the run.
        round: The round.
        exchange: The exchange within it.
    """
    if ledger.claim(FaultPoint("kill coordinator", stage, round, exchange)):
        kill()
    if ledger.claim(FaultPoint("hang coordinator", stage, round, exchange)):
        os.kill(os.getpid(), signal.SIGSTOP)  # sleeping would let its other thread answer


def kill() -> None:
    """Ends this process as the system does, without cleaning up."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # the signal is on its way


def exhaust_memory() -> None:
    """Asks for more memory than this process may have; the MemoryError is real."""
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
    """Fills the object store to one and a half times its size, so that Ray must move objects to disk.

    Returns:
        References that keep the store full.
    """
    room = total_resources()["object_store_memory"]
    return [ray.put(np.ones(HOARD_BYTES, np.uint8)) for _ in range(int(1.5 * room / HOARD_BYTES))]


def damage(checkpoint: Path, drawn: int) -> str:
    """Cuts off a file of a checkpoint, or flips one bit of it.

    Args:
        checkpoint: The checkpoint's folder.
        drawn: A whole number >= 0 that decides what is damaged.

    Returns:
        What was done, as text.
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
