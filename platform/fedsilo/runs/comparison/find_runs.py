"""Finds runs in folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedsilo.core.errors import FedsiloError, RunError
from fedsilo.report.results.finished_run import Run
from fedsilo.report.results.run_entry import RunEntry

UNFINISHED = "has not finished"


def collect(paths: Sequence[Path]) -> tuple[list[RunEntry], list[str]]:
    """Collects the finished runs in folders.

    Args:
        paths: Run folders, or folders that hold run folders.

    Returns:
        The runs, and a line for each run that is left out.

    Raises:
        RunError: A folder has no run, a run folder in `paths` has not finished, or no run has finished.
    """
    entries: list[RunEntry] = []
    left_out: list[str] = []
    for path in paths:
        if (path / "scenario.yaml").is_file():
            run = Run(path)
            run.result  # noqa: B018, a run folder in `paths` must have a result
            entries.append(RunEntry(run.scenario, path))
            continue
        found, damaged = find_runs_below(path)
        if not found and not damaged:
            raise RunError(f"{path}: has no run. Give run folders, or a folder of them.")
        entries += [entry for entry in found if not entry.error]
        left_out += [f"left out: {e.folder} {UNFINISHED}. `fedsilo resume {e.folder}`" for e in found if e.error]
        left_out += damaged
    if not entries:
        raise RunError(f"{', '.join(map(str, paths))}: no run has finished.")
    unique = {str(entry.folder and entry.folder.resolve()): entry for entry in entries}
    return list(unique.values()), left_out


def find_runs_below(folder: Path) -> tuple[list[RunEntry], list[str]]:
    """Finds the runs directly below a folder.

    Args:
        folder: The folder.

    Returns:
        The runs, unfinished ones with an error; and a line for each run that cannot be read.
    """
    entries, damaged = [], []
    for path in sorted(folder.glob("*/scenario.yaml")):
        run = Run(path.parent)
        try:
            entries.append(RunEntry(run.scenario, path.parent, "" if run.finished else UNFINISHED))
        except FedsiloError as error:
            line = str(error).partition("\n")[0]
            damaged.append(f"left out: {path.parent} cannot be read by this version: {line}")
    return entries, damaged
