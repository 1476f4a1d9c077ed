"""Compares methods, settings and seeds: runs what is missing and builds the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedsilo.core.errors import RunError
from fedsilo.report.results.comparison_rows import ComparisonRows, compare_entries
from fedsilo.runs.comparison.find_runs import collect
from fedsilo.runs.comparison.sweep import Sweep

if TYPE_CHECKING:
    from fedsilo.runs.comparison.execute import RunEndCallback


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A comparison whose runs have ended.

    Attributes:
        root: Folder of the comparison.
        standings: Its rows.
    """

    root: Path
    standings: ComparisonRows


def compare_grid(
    grid: Sweep,
    root: Path | None = None,
    jobs: int = 1,
    callback: RunEndCallback = lambda done, total, entry, before: None,
) -> SweepResult:
    """Runs what has not been run yet, and compares.

    Args:
        grid: The runs to compare.
        root: The comparison's folder; by default `<tracking.root>/<scenario's name>-comparison`. The name is the same
            for the same scenario, so a stopped comparison continues.
        jobs: Number of runs at the same time, each in its own process; 1 runs all of them in this process.
        callback: Called after every run that has ended: callback(done, total, entry, before).

    Returns:
        The comparison.

    Raises:
        ScenarioError: A scenario has problems; the error lists those of all runs, and nothing has been run.
        RunError: The folder cannot be created, or two runs with equal settings have different results.
    """
    if jobs < 1:
        raise RunError(f"jobs: must be at least 1, got {jobs}.")
    scenarios, left_out = grid.scenarios()
    from fedsilo.runs.comparison.execute import carry_out  # the import takes seconds; a wrong scenario is refused first

    first = scenarios[0]
    folder = root or Path(first.tracking.root) / f"{first.name}-comparison"
    return SweepResult(folder, compare_entries(first.name, carry_out(scenarios, folder, jobs, callback), left_out))


def compare_folders(paths: Sequence[Path]) -> ComparisonRows:
    """Compares the finished runs in folders.

    Args:
        paths: Run folders, or folders that hold run folders.

    Returns:
        The rows.

    Raises:
        RunError: There is no finished run, or two runs with equal settings have different results.
    """
    entries, left_out = collect(paths)
    title = paths[0].name if len(paths) == 1 else f"{len(entries)} runs"
    return compare_entries(title, entries, left_out)
