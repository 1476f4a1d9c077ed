"""The faults of a run, each written down before it strikes and never struck twice.

A round is made again after a fault, and passes the same point: without the ledger it would die there for ever.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedsilo.storage.run_folder import read_lines
from fedsilo_actors.fault_injection.fault_plan import FaultPlan, FaultPoint

CHAOS = "chaos.jsonl"


@dataclass(frozen=True, slots=True)
class FaultLog:
    """The ledger of one run, kept by whichever process is about to be struck.

    Attributes:
        folder: The run's folder.
        plan: Which faults are planned.
        attempt: Which process drives the run: 0 is the one that began it, n the n-th resumption.
    """

    folder: Path
    plan: FaultPlan
    attempt: int = 0

    def claim(self, point: FaultPoint) -> bool:
        """Returns whether to strike here now: it is planned and has not been done. It is on disk when this returns."""
        if not self.plan.is_due(point):
            return False
        with (self.folder / CHAOS).open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if any(_same(line, point) for line in map(json.loads, file.read().splitlines())):
                return False
            line = {**asdict(point), "attempt": self.attempt, "time": time.time()}
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return True


def read_faults(folder: Path) -> list[dict[str, Any]]:
    """Returns what has struck a run, in order: the fields of a `FaultPoint`, the attempt, and the time."""
    return read_lines(folder / CHAOS)


def _same(line: dict[str, Any], point: FaultPoint) -> bool:
    return all(line[name] == value for name, value in asdict(point).items())
