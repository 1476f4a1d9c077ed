"""One run under faults: driven, and resumed as a user would whenever it stops."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedsilo.config.sections import Scenario
from fedsilo.core.seeds import derive
from fedsilo.report.results.finished_run import Run
from fedsilo.runs.run import begin
from fedsilo.storage.run_folder import read_json
from fedsilo_actors.fault_injection import faulty_driver as driver
from fedsilo_actors.fault_injection.command_session import Ending, run_command
from fedsilo_actors.fault_injection.fault_log import read_faults
from fedsilo_actors.fault_injection.fault_plan import FaultPlan
from fedsilo_actors.fault_injection.injectors import damage

RAY_LINE = re.compile(r"(\x1b\[\d+m)?\((raylet|autoscaler|gcs_server|pid=)|\[?\d{4}-\d\d-\d\d |\s|$")
"""Lines of Ray's own about what died; they go to standard error."""

DRIVER, DAMAGE, KILLED = "kill driver", "damage checkpoint", "the driver was killed"


@dataclass(frozen=True, slots=True)
class FaultyRun:
    """The result of one run under faults.

    Attributes:
        seed: The chaos seed of its faults.
        folder: The run's folder.
        faults: The faults that struck it, in order; "survived" tells whether the run went on by itself.
        stops: The reason of each stop, one line each.
        notices: The notices in its result.
        sha256: Hash of the result, "" when there is none.
        hashes: Hashes of all final states.
        trouble: What should never happen: a hang, a traceback, processes left behind, too many stops; "" when sound.
        seconds: Duration, seconds.
    """

    seed: int
    folder: Path
    faults: tuple[dict[str, Any], ...]
    stops: tuple[str, ...]
    notices: tuple[str, ...]
    sha256: str
    hashes: Any
    trouble: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a run under faults.

    Attributes:
        attempt_s: Longest time of a run from its start or resumption to its end or stop, seconds.
        resumptions: Largest number of resumptions.
    """

    attempt_s: float = 600.0
    resumptions: int = 25


def run_with_faults(scenario: Scenario, root: Path, plan: FaultPlan, limits: Limits) -> FaultyRun:
    """Runs a scenario under a plan's faults; without faults the run is undisturbed.

    Args:
        scenario: The scenario.
        root: Folder for its run folder.
        plan: The faults.
        limits: The run's limits.

    Returns:
        The result.
    """
    started, stops = time.monotonic(), list[str]()
    folder = begin(replace(scenario, tracking=replace(scenario.tracking, root=str(root))))
    plan.write(folder)
    temporary = Path(tempfile.mkdtemp(prefix="fs"))  # a path of a socket in it must stay short
    try:
        trouble = _drive(folder, plan, limits, stops, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    result = read_json(folder / "result.json") if Run(folder).finished else {}
    struck = _mark_survived(read_faults(folder), stops)
    seconds, sha256, notices = time.monotonic() - started, result.get("sha256", ""), tuple(result.get("notices", ()))
    return FaultyRun(plan.seed, folder, struck, tuple(stops), notices, sha256, result.get("hashes"), trouble, seconds)


def _drive(folder: Path, plan: FaultPlan, limits: Limits, stops: list[str], temporary: Path) -> str:
    """Drives a run to its end; returns "", or what should never happen."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment |= {"RAY_TMPDIR": str(temporary), "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    if any(kind.endswith("encoder") for kind in plan.odds):  # with cached features no encoder is started
        environment["FEDSILO_CACHE"] = str(temporary / "cache")
    for attempt in range(limits.resumptions + 1):
        words = [sys.executable, "-m", driver.__name__, str(folder), str(attempt)]
        log = folder / f"chaos-{attempt}.log"
        ending = run_command(words, environment, log, limits.attempt_s)
        why, trouble = judge(ending, limits)
        if trouble:
            return f"attempt {attempt}: {trouble} See {log}."
        if not why:
            return ""
        if any(fault["kind"] == DAMAGE and fault["attempt"] == attempt for fault in read_faults(folder)):
            why += f", {_damage_newest(folder, plan.seed, attempt)}"
        stops.append(why)
    return f"was resumed {limits.resumptions} times and is still not finished."


def _mark_survived(struck: Sequence[dict[str, Any]], stops: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """The faults, each with whether the run went on by itself: the last fault before a stop is what stopped it.

    A coordinator outlives its driver for a moment and can be struck again: no run goes on after that either.
    """
    fatal: dict[int, int] = {}
    for number, fault in enumerate(struck):
        attempt = fault["attempt"]
        if attempt < len(stops) and (fault["kind"] in (DRIVER, DAMAGE)) == stops[attempt].startswith(KILLED):
            fatal[attempt] = number
    never = len(struck)
    return tuple(
        {**fault, "survived": number < fatal.get(fault["attempt"], never)} for number, fault in enumerate(struck)
    )


def judge(ending: Ending, limits: Limits) -> tuple[str, str]:
    """Judges one attempt.

    Args:
        ending: How its process ended.
        limits: The run's limits.

    Returns:
        The reason of its stop, "" when it is finished; and what should never happen, "" when it is sound.
    """
    if ending.code is None:
        return "", f"hung: it was ended after {limits.attempt_s:g} s."
    own = [line for line in ending.errors.splitlines() if not RAY_LINE.match(line)]
    if "Traceback" in ending.errors:
        return "", "ended in a traceback."
    if ending.code == 0:
        return "", ""
    if ending.code == -9:
        return KILLED, ""
    if ending.code != 2 or len(own) != 1:
        return "", f"ended with code {ending.code} and {len(own)} lines instead of one."
    return own[0], ""


def _damage_newest(folder: Path, seed: int, attempt: int) -> str:
    """Damages the newest checkpoint that a killed run left, and returns what was done."""
    found = sorted(folder.glob("checkpoints/round-*"))
    if not found:
        return "there was no checkpoint to damage"
    return f"{found[-1].name}: {damage(found[-1], derive(seed, 'chaos: damage', step=attempt))}"
