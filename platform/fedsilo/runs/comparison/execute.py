"""Carries out the runs of a comparison, each in an ordinary run folder; what has finished before is not run again.

A run is recognised by what it computes (`entries.settings` of its resolved scenario), not by the name of its folder.
One that fails does not stop the others.
"""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from fedsilo.config.sections import Scenario
from fedsilo.core.errors import FedsiloError, RunError
from fedsilo.report.results.comparison_rows import varied_keys
from fedsilo.report.results.run_entry import RunEntry, settings
from fedsilo.runs.comparison.find_runs import runs_below
from fedsilo.runs.comparison.worker_pool import WorkerPool
from fedsilo.runs.run import begin, go

Work = TypeVar("Work")
Done = TypeVar("Done")

Told = Callable[[int, int, RunEntry, bool], None]
"""told(done, total, entry, before): a run has ended, or had finished before."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A run to carry out: in the folder where it was interrupted, or in a new one."""

    number: int
    scenario: Scenario
    folder: Path | None


def carry_out(scenarios: Sequence[Scenario], root: Path, jobs: int, told: Told) -> list[RunEntry]:
    """Returns one entry per scenario, in their order.

    Args:
        scenarios: What to run.
        root: The comparison's folder, which holds the run folders.
        jobs: Processes side by side; 1 runs everything in this process.
        told: Told of every run that has ended.

    Raises:
        RunError: The folder cannot be made.
    """
    entries, tasks = _what_there_is(scenarios, root)
    done = 0
    for entry in entries.values():
        done += 1
        told(done, len(scenarios), entry, True)
    for number, entry in _ended(tasks, jobs):
        entries[number] = entry
        done += 1
        told(done, len(scenarios), entry, False)
    return [entries[number] for number in sorted(entries)]


def _what_there_is(scenarios: Sequence[Scenario], root: Path) -> tuple[dict[int, RunEntry], list[_Task]]:
    """Finished runs by number, and what is to be run or to be gone on with."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{root}: cannot be made: {error.strerror}. Choose another folder.") from error
    found, _ = runs_below(root)
    labels = _labels(scenarios)
    entries, tasks = {}, []
    for number, scenario in enumerate(scenarios):
        wanted = settings(scenario)
        same = [run for run in found if run.settings == wanted]
        finished = [entry for entry in same if not entry.error]
        if finished:
            entries[number] = finished[-1]
            continue
        own = replace(scenario, name=labels[number], tracking=replace(scenario.tracking, root=str(root)))
        tasks.append(_Task(number, own, same[-1].folder if same else None))
    return entries, tasks


def _labels(scenarios: Sequence[Scenario]) -> list[str]:
    """Names for run folders: method, varied values, seed."""
    entries = [RunEntry(scenario) for scenario in scenarios]
    varied = varied_keys(entries)
    labels = []
    for entry in entries:
        values = [f"{key.rpartition('.')[2]}-{entry.value(key)}" for key in varied if key in entry.settings]
        label = re.sub(r"[^\w.\-]+", ".", "-".join([entry.method, *values]))
        labels.append(f"{label[:80].strip('.-')}-seed-{entry.seed}")
    return labels


def _ended(tasks: Sequence[_Task], jobs: int) -> Iterator[tuple[int, RunEntry]]:
    """Carries out the tasks; yields each one's number and entry when it has ended."""
    for task, entry in side_by_side(tasks, jobs, _entry):
        yield task.number, entry


def side_by_side(
    tasks: Sequence[Work], jobs: int, carry: Callable[[Work, Callable[[Path], str]], Done]
) -> Iterator[tuple[Work, Done]]:
    """Yields each task with what came of it, when it has ended.

    Args:
        tasks: What is to be done.
        jobs: Processes side by side; 1 does everything in this process.
        carry: carry(task, attempt) does a task; `attempt` runs what is to do in a run folder, here or in a process,
            and returns "" or why it failed.
    """
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield task, carry(task, attempt)
        return
    with WorkerPool(min(jobs, len(tasks))) as lanes, ThreadPoolExecutor(lanes.count) as pool:
        futures = {pool.submit(carry, task, lanes.attempt): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            lanes.stop()
            raise


def _entry(task: _Task, attempt: Callable[[Path], str]) -> RunEntry:
    try:
        folder = task.folder or begin(task.scenario)
    except FedsiloError as error:
        return RunEntry(task.scenario, None, str(error))
    error_line = attempt(folder)
    return RunEntry(task.scenario, folder if folder.exists() else None, error_line)


def attempt(folder: Path) -> str:
    """Runs what is to do in a run folder; returns "" or, in one line, why it failed.

    An error that nobody foresaw is a fault of a method, or ours; the folder's failure.txt then says where it is.
    """
    try:
        go(folder)
    except FedsiloError as error:
        return " ".join(str(error).split())
    except OSError as error:
        return f"{error.filename or folder}: {error.strerror or error}."
    except Exception as error:
        with contextlib.suppress(OSError):
            (folder / "failure.txt").write_text(traceback.format_exc(), encoding="utf-8")
        return " ".join(f"{type(error).__name__}: {error} (see {folder / 'failure.txt'}).".split())
    return ""
