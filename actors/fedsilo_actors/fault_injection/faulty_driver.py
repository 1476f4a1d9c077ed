"""The driver of a run under faults, a process of its own that can be killed: `python -m ... RUN ATTEMPT`.

It does what `fedsilo run` and `fedsilo resume` do, and ends as they do: exit code 0, or 2 and one line with the reason.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedsilo.config.sections import Scenario
from fedsilo.core import RoundRecord
from fedsilo.core.errors import FedsiloError
from fedsilo.runs.run import RunCallbacks, Runtime, go
from fedsilo.simulation.serial import SerialRuntime
from fedsilo_actors.fault_injection.fault_log import FaultLog
from fedsilo_actors.fault_injection.fault_plan import FaultPoint, read_plan
from fedsilo_actors.fault_injection.faulty_actors import FaultyBackend, FaultyClientActor, FaultyEncoder, with_faults
from fedsilo_actors.fault_injection.injectors import fill_store, kill
from fedsilo_actors.fault_injection.local_nodes import LocalNodes, hold_nodes
from fedsilo_actors.runtime import ray_runtime


class Driver:
    """A run's driver, and the faults that strike it and the cluster as rounds finish."""

    def __init__(self, folder: Path, attempt: int) -> None:
        """Reads the plan of the run's faults.

        Args:
            folder: The run's folder, with the plan in it.
            attempt: How often the run was resumed.
        """
        self._folder = folder
        self._ledger = FaultLog(folder, read_plan(folder), attempt)
        self._machines: LocalNodes | None = None
        self._hoard: list[Any] = []

    def drive(self) -> None:
        """Runs the rounds that are left.

        Raises:
            FedsiloError: As every run does.
        """
        go(self._folder, RunCallbacks(prepared=self._prepared, watch=self._watch), self._runtime)

    @contextlib.contextmanager
    def _runtime(self, scenario: Scenario) -> Iterator[Runtime]:
        if scenario.actors.backend == "serial":  # the undisturbed run
            yield SerialRuntime(scenario.backbone.device)
            return
        wanted = self._ledger.plan.odds.get("kill node", 0.0) > 0
        with hold_nodes(scenario.actors, wanted) as self._machines:
            with ray_runtime(scenario.actors, scenario.backbone.device, scenario.backbone.tf32) as runtime:
                runtime.host = with_faults(FaultyClientActor, self._ledger)
                runtime.encoder = with_faults(FaultyEncoder, self._ledger)
                runtime.backend = with_faults(FaultyBackend, self._ledger)
                yield runtime
            self._hoard.clear()

    def _prepared(self, prepared: object, folder: Path) -> None:
        if self._ledger.claim(FaultPoint("kill driver", "prepare")):
            kill()

    def _watch(self, part: str, record: RoundRecord) -> None:
        def due(kind: str) -> bool:
            return self._ledger.claim(FaultPoint(kind, f"after {part}", record.round))

        if self._machines and due("kill node"):
            self._machines.remove_one()
        if due("fill store"):
            self._hoard += fill_store()
        # The damage itself is done when no process works in the folder any more, by the process that resumes the run.
        if due("kill driver") or due("damage checkpoint"):
            kill()


def main(folder: str, attempt: str) -> int:
    """Makes one attempt at a run.

    Args:
        folder: The run's folder.
        attempt: 0, or the number of the resumption.

    Returns:
        The exit code.
    """
    try:
        Driver(Path(folder), int(attempt)).drive()
    except FedsiloError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:  # as the command line does
        print(f"{error.filename or 'fedsilo'}: {error.strerror or error}.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
