"""The log of a run's faults: each is written down before it happens, and happens only once.

A round is repeated after a fault, and passes the same point: without the log it would fail there for ever.
"""

from __future__ import annotations

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
    """The log of one run, shared by all processes that may be struck.

    Attributes:
        folder: The run's folder.
        plan: The planned faults.
        attempt: Number of the process that drives the run: 0 began it, n is the n-th resumption.
    """

    folder: Path
    plan: FaultPlan
    attempt: int = 0

    def claim(self, point: FaultPoint) -> bool:
        """Claims the fault that is planned for a point, if there is one that has not happened yet.

        Args:
            point: The point.

        Returns:
            Whether to strike now; the claim is on disk then.
        """
        if not self.plan.is_due(point):
            return False
        from filelock import lock_descriptor  # imported here: most processes are never struck

        with (self.folder / CHAOS).open("a+b") as file:
            lock_descriptor(file.fileno())  # until the file is closed, or the process is killed
            file.seek(0)
            if any(_same(line, point) for line in map(json.loads, file.read().splitlines())):
                return False
            line = {**asdict(point), "attempt": self.attempt, "time": time.time()}
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return True


def read_faults(folder: Path) -> list[dict[str, Any]]:
    """Reads the faults of a run.

    Args:
        folder: The run's folder.

    Returns:
        In order, the fields of a `FaultPoint`, the attempt, and the time.
    """
    return read_lines(folder / CHAOS)


def _same(line: dict[str, Any], point: FaultPoint) -> bool:
    return all(line[name] == value for name, value in asdict(point).items())
