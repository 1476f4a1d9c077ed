"""Progress of a run, read from its folder while the run is at work."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsilo.core import Measures
from fedsilo.core.registry import title_of
from fedsilo.report.results.finished_run import Run, list_method_folders
from fedsilo.storage.run_folder import DRIVER_LOCK, ROUNDS, ROUNDS_LOCK, TIMELINE, read_last_lines, read_lines

PACE = 10
"""Newest rounds whose mean predicts the time left."""

SLOWEST = 3
"""Slowest clients that are named."""

FINISHED, RUNNING, STOPPED = "finished", "running", "stopped"


@dataclass(frozen=True, slots=True)
class MethodFolder:
    """The folder of one method's records.

    Attributes:
        name: Name of the method.
        folder: The folder.
        planned: Rounds that the scenario asks for.
        budget: Largest epsilon that the scenario allows; None without a limit.
    """

    name: str
    folder: Path
    planned: int
    budget: float | None = None


@dataclass(frozen=True, slots=True)
class MethodProgress:
    """Progress of one method.

    Attributes:
        name: Name of the method.
        planned: Rounds that the scenario asks for.
        finished: Rounds that are done.
        last: Newest line of rounds.jsonl; empty before the first round.
        measured: Newest line in which clients were evaluated; empty before the first evaluation.
        budget: Largest epsilon that the scenario allows; None without a limit.
        upload_bytes: Bytes that clients sent, all rounds together.
        download_bytes: Bytes that clients received, all rounds together.
        retried: Attempts at rounds that failed and were repeated.
        dropped: Clients that dropped out, all rounds together.
        pace_s: Mean seconds of the newest rounds; 0.0 before the first round.
        slowest: Client and seconds of training of the slowest clients of the newest round; empty where not on record.
    """

    name: str
    planned: int
    finished: int
    last: Mapping[str, Any]
    measured: Mapping[str, Any]
    budget: float | None
    upload_bytes: int
    download_bytes: int
    retried: int
    dropped: int
    pace_s: float
    slowest: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """Progress of a run.

    Attributes:
        run: Name of the run's folder.
        state: "running", "finished" or "stopped".
        courses: Progress of each method, in the order in which the methods run.
        measures: Metrics of the task.
        chance: Headline metric of random guessing; None while the classes are not known.
    """

    run: str
    state: str
    courses: tuple[MethodProgress, ...]
    measures: Measures
    chance: float | None = None

    @property
    def current(self) -> MethodProgress | None:
        """The method that runs now, or that ran last; None before the first round."""
        begun = [course for course in self.courses if course.finished]
        if self.state == FINISHED:
            return begun[-1] if begun else None
        due = [course for course in begun if course.finished < course.planned]
        return due[-1] if due else (begun[-1] if begun else None)

    @property
    def left_s(self) -> float | None:
        """Seconds left at the pace of the newest rounds, without checkpoints; None where the pace is not known.

        A method that has not begun is assumed to be as fast as the current one.
        """
        current = self.current
        if self.state != RUNNING or current is None or not current.pace_s or current.name == "zero_shot":
            return None
        return sum((course.planned - course.finished) * (course.pace_s or current.pace_s) for course in self.courses)


def read_overview(run: Run) -> Overview:
    """Reads the progress of a run.

    Args:
        run: The run.

    Returns:
        Its progress.

    Raises:
        RunError: The folder has no run.
        ScenarioError: The run's scenario cannot be read.
    """
    scenario, folder = run.scenario, run.folder
    method = title_of(scenario.method)
    limit = scenario.privacy.limit
    parts = [
        MethodFolder(
            name, home, 1 if name == "zero_shot" else scenario.training.rounds, limit if name == method else None
        )
        for name, home in list_method_folders(scenario, folder)
    ]
    known = (folder / "partition.json").exists()
    chance = scenario.task.chance(run.candidates) if known else None
    measures = scenario.task.measured
    return Overview(folder.name, _state(run), read_progress(parts, measures), measures, chance)


def read_progress(parts: Sequence[MethodFolder], measures: Measures) -> tuple[MethodProgress, ...]:
    """Reads the progress of each method from its folder.

    Args:
        parts: The methods with their folders.
        measures: Metrics of the task.

    Returns:
        Progress of each method, in the same order.
    """
    return tuple(_course(part, measures.local) for part in parts)


def _course(part: MethodFolder, local: str) -> MethodProgress:
    records = read_lines(part.folder / ROUNDS)
    measured = [record for record in records if record.get(local) is not None]
    newest = [sum(record.get("seconds", {}).values()) for record in records[-PACE:]]
    return MethodProgress(
        name=part.name,
        planned=part.planned,
        finished=len(records),
        last=records[-1] if records else {},
        measured=measured[-1] if measured else {},
        budget=part.budget,
        upload_bytes=sum(record.get("upload_bytes", 0) for record in records),
        download_bytes=sum(record.get("download_bytes", 0) for record in records),
        retried=sum(record.get("attempts", 1) - 1 for record in records),
        dropped=sum(len(record.get("dropped", ())) for record in records),
        pace_s=sum(newest) / len(newest) if newest else 0.0,
        slowest=_slowest(part.folder),
    )


def _slowest(folder: Path) -> tuple[tuple[int, float], ...]:
    """The slowest clients in training of the newest round on the timeline."""
    trained = [line for line in read_last_lines(folder / TIMELINE) if line.get("stage") == "train"]
    if not trained:
        return ()
    took = zip(trained[-1].get("clients", ()), trained[-1].get("client_seconds", ()), strict=False)
    return tuple(sorted(took, key=lambda pair: (-pair[1], pair[0]))[:SLOWEST])


def _state(run: Run) -> str:
    if run.finished:
        return FINISHED
    if any(_is_locked(run.folder / name) for name in (DRIVER_LOCK, ROUNDS_LOCK)):
        return RUNNING
    return FINISHED if run.finished else STOPPED  # it may have finished during the check


def _is_locked(path: Path) -> bool:
    """Whether a process holds a lock. The check itself holds the lock for a moment, for which other processes wait."""
    try:
        with path.open("rb") as file:
            # Not filelock: its locks are exclusive, so two watchers would take each other for the run, and it opens
            # for writing, which who only watches may not be allowed.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # the file does not exist or cannot be read
        return False
    return False
