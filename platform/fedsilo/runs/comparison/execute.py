"""Executes the runs of a comparison, each in an ordinary run folder, without repeating finished ones.

A run is recognised by what it computes (`run_entry.settings` of its resolved scenario), not by the name of its folder.
A run that fails does not stop the others.
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
from fedsilo.report.results.comparison_rows import find_varied_keys
from fedsilo.report.results.run_entry import RunEntry, list_settings
from fedsilo.runs.comparison.find_runs import find_runs_below
from fedsilo.runs.comparison.worker_pool import WorkerPool
from fedsilo.runs.run import begin, go

Work = TypeVar("Work")
Done = TypeVar("Done")

RunEndCallback = Callable[[int, int, RunEntry, bool], None]
"""callback(done, total, entry, before): a run has ended now, or (`before`) had finished earlier."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A run to execute, in a new folder or in the folder where it was interrupted."""

    number: int
    scenario: Scenario
    folder: Path | None


def carry_out(scenarios: Sequence[Scenario], root: Path, jobs: int, callback: RunEndCallback) -> list[RunEntry]:
    """Executes the runs that have not finished.

    Args:
        scenarios: The scenarios.
        root: The comparison's folder, which holds the run folders.
        jobs: Number of runs at the same time, each in its own process; 1 runs all of them in this process.
        callback: Called after every run that has ended: callback(done, total, entry, before).

    Returns:
        One entry per scenario, in the same order.

    Raises:
        RunError: The folder cannot be created.
    """
    entries, tasks = _find_finished(scenarios, root)
    done = 0
    for entry in entries.values():
        done += 1
        callback(done, len(scenarios), entry, True)
    for number, entry in _run_tasks(tasks, jobs):
        entries[number] = entry
        done += 1
        callback(done, len(scenarios), entry, False)
    return [entries[number] for number in sorted(entries)]


def _find_finished(scenarios: Sequence[Scenario], root: Path) -> tuple[dict[int, RunEntry], list[_Task]]:
    """Finished runs by number, and the tasks that remain."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{root}: cannot be created: {error.strerror}. Choose another folder.") from error
    found, _ = find_runs_below(root)
    labels = _labels(scenarios)
    entries, tasks = {}, []
    for number, scenario in enumerate(scenarios):
        wanted = list_settings(scenario)
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
    varied = find_varied_keys(entries)
    labels = []
    for entry in entries:
        values = [f"{key.rpartition('.')[2]}-{entry.value(key)}" for key in varied if key in entry.settings]
        label = re.sub(r"[^\w.\-]+", ".", "-".join([entry.method, *values]))
        labels.append(f"{label[:80].strip('.-')}-seed-{entry.seed}")
    return labels


def _run_tasks(tasks: Sequence[_Task], jobs: int) -> Iterator[tuple[int, RunEntry]]:
    """Executes the tasks. Yields the number and entry of each one when it has ended."""
    for task, entry in run_side_by_side(tasks, jobs, _run_task):
        yield task.number, entry


def run_side_by_side(
    tasks: Sequence[Work], jobs: int, carry: Callable[[Work, Callable[[Path], str]], Done]
) -> Iterator[tuple[Work, Done]]:
    """Does tasks at the same time.

    Args:
        tasks: The tasks.
        jobs: Number of processes; 1 does everything in this process.
        carry: carry(task, attempt) does one task. `attempt` executes a run folder, here or in a process, and returns ""
            or an error message.

    Yields:
        Each task with its result, in the order in which they end.
    """
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield task, carry(task, attempt)
        return
    with WorkerPool(min(jobs, len(tasks))) as workers, ThreadPoolExecutor(workers.count) as pool:
        futures = {pool.submit(carry, task, workers.attempt): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            workers.stop()
            raise


def _run_task(task: _Task, attempt: Callable[[Path], str]) -> RunEntry:
    try:
        folder = task.folder or begin(task.scenario)
    except FedsiloError as error:
        return RunEntry(task.scenario, None, str(error))
    error_line = attempt(folder)
    return RunEntry(task.scenario, folder if folder.exists() else None, error_line)


def attempt(folder: Path) -> str:
    """Executes what remains to be done in a run folder.

    An unexpected error is a fault of a method or of fedsilo; failure.txt in the folder then has its traceback.

    Args:
        folder: The run's folder.

    Returns:
        "" or, on one line, why it failed.
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
