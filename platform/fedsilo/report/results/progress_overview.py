"""How far a run is: what `fedsilo top` shows, read from the run's folder by whoever can reach it."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedsilo.core import Measures
from fedsilo.core.registry import title_of
from fedsilo.report.results.finished_run import Run, homes
from fedsilo.storage.run_folder import DRIVER_LOCK, ROUNDS, ROUNDS_LOCK, TIMELINE, read_last_lines, read_lines

PACE = 10
"""Newest rounds by whose mean the time left is foretold."""

SLOWEST = 3
"""Clients of the newest round that are named."""

FINISHED, RUNNING, STOPPED = "finished", "running", "stopped"


@dataclass(frozen=True, slots=True)
class Home:
    """Where one method's records are.

    Attributes:
        name: The method.
        folder: Its folder.
        planned: Rounds that are asked for.
        budget: Epsilon that it may not exceed; None: none.
    """

    name: str
    folder: Path
    planned: int
    budget: float | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """How far one method is.

    Attributes:
        name: The method.
        planned: Rounds that are asked for.
        finished: Rounds that are done.
        last: The newest line of rounds.jsonl; empty before the first.
        measured: The newest one in which clients were measured; the same.
        budget: Epsilon that it may not exceed; None: none.
        upload_bytes: Bytes that left clients, all rounds together.
        download_bytes: Bytes that went to clients.
        retried: Attempts at rounds that had to be made again.
        dropped: Clients that dropped out, all rounds together.
        pace_s: Mean seconds of its newest rounds; 0.0 before the first.
        slowest: Client and seconds of training of the slowest ones of the newest round, where they tell.
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
    """How far a run is.

    Attributes:
        run: Its name.
        state: "running", "finished" or "stopped".
        courses: Each method in the order in which they run.
        measures: The task's.
        chance: The headline metric of guessing; None while the classes are not known.
    """

    run: str
    state: str
    courses: tuple[Course, ...]
    measures: Measures
    chance: float | None = None

    @property
    def current(self) -> Course | None:
        """Returns the method that is at work, or was last; None before the first round."""
        begun = [course for course in self.courses if course.finished]
        if self.state == FINISHED:
            return begun[-1] if begun else None
        due = [course for course in begun if course.finished < course.planned]
        return due[-1] if due else (begun[-1] if begun else None)

    @property
    def left_s(self) -> float | None:
        """Returns the seconds left at the newest rounds' pace, checkpoints not counted; None where nothing is known.

        A method that has yet to begin is taken to be as fast as the current one.
        """
        current = self.current
        if self.state != RUNNING or current is None or not current.pace_s or current.name == "zero_shot":
            return None
        return sum((course.planned - course.finished) * (course.pace_s or current.pace_s) for course in self.courses)


def overview_of_run(run: Run) -> Overview:
    """Returns how far the run in a folder is. Raises RunError or ScenarioError when the folder is none of a run's."""
    scenario, folder = run.scenario, run.folder
    method = title_of(scenario.method)
    limit = scenario.privacy.limit
    parts = [
        Home(name, home, 1 if name == "zero_shot" else scenario.training.rounds, limit if name == method else None)
        for name, home in homes(scenario, folder)
    ]
    known = (folder / "partition.json").exists()
    chance = scenario.task.chance(run.manifest.classes) if known else None
    measures = scenario.task.measured
    return Overview(folder.name, _state(run), courses(parts, measures), measures, chance)


def courses(parts: Sequence[Home], measures: Measures) -> tuple[Course, ...]:
    """Returns how far each method is by what is in its folder."""
    return tuple(_course(part, measures.local) for part in parts)


def _course(part: Home, local: str) -> Course:
    records = read_lines(part.folder / ROUNDS)
    measured = [record for record in records if record.get(local) is not None]
    newest = [sum(record.get("seconds", {}).values()) for record in records[-PACE:]]
    return Course(
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
    """The slowest in training of the newest round on the timeline."""
    trained = [line for line in read_last_lines(folder / TIMELINE) if line.get("stage") == "train"]
    if not trained:
        return ()
    took = zip(trained[-1].get("clients", ()), trained[-1].get("client_seconds", ()), strict=False)
    return tuple(sorted(took, key=lambda told: (-told[1], told[0]))[:SLOWEST])


def _state(run: Run) -> str:
    if run.finished:
        return FINISHED
    if any(_held(run.folder / name) for name in (DRIVER_LOCK, ROUNDS_LOCK)):
        return RUNNING
    return FINISHED if run.finished else STOPPED  # it may have finished while the locks were looked at


def _held(path: Path) -> bool:
    """Whether a process holds a lock. Looking takes it for a moment, for which everybody who wants it waits."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is none, or it may not be read
        return False
    return False
