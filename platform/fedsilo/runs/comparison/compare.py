"""A comparison from what is asked to its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedsilo.core.errors import RunError
from fedsilo.report.results.comparison_rows import ComparisonRows, standings
from fedsilo.runs.comparison.find_runs import collect
from fedsilo.runs.comparison.sweep import Sweep

if TYPE_CHECKING:
    from fedsilo.runs.comparison.execute import Told


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison that was run.

    Attributes:
        root: Its folder.
        standings: Its rows.
    """

    root: Path
    standings: ComparisonRows


def compare_grid(
    grid: Sweep, root: Path | None = None, jobs: int = 1, told: Told = lambda done, total, entry, before: None
) -> Comparison:
    """Runs what has not been run yet and compares.

    Args:
        grid: What is compared.
        root: The comparison's folder; by default `<tracking.root>/<scenario's name>-comparison`, the same again for
            the same scenario, so that a comparison that was stopped is gone on with.
        jobs: Processes side by side; 1 runs everything in this one.
        told: Told of every run that has ended.

    Raises:
        ScenarioError: With every problem found in any run's scenario; nothing has been run.
        RunError: The folder cannot be made, or holds two different results of the same run.
    """
    if jobs < 1:
        raise RunError(f"jobs: must be at least 1, got {jobs}.")
    scenarios, left_out = grid.scenarios()
    from fedsilo.runs.comparison.execute import carry_out  # it takes seconds, and a wrong scenario is refused before

    first = scenarios[0]
    folder = root or Path(first.tracking.root) / f"{first.name}-comparison"
    return Comparison(folder, standings(first.name, carry_out(scenarios, folder, jobs, told), left_out))


def compare_folders(paths: Sequence[Path]) -> ComparisonRows:
    """Compares the finished runs in folders. Raises RunError when there is none, or when two contradict each other."""
    entries, left_out = collect(paths)
    title = paths[0].name if len(paths) == 1 else f"{len(entries)} runs"
    return standings(title, entries, left_out)
