"""Comparison of runs: one row for every method and varied setting, with mean and deviation over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from fedsilo.config.dumping import format_value
from fedsilo.core import Measures
from fedsilo.core.errors import RunError
from fedsilo.report.results.comparability import Grounds, describe_windows, list_differences, list_version_differences
from fedsilo.report.results.run_entry import RunEntry

if TYPE_CHECKING:
    import pandas as pd

CHANCE, ZERO_SHOT = "chance", "zero_shot"
FLOORS = (CHANCE, ZERO_SHOT)
"""References that every comparison shows."""


@dataclass(frozen=True)
class ComparisonRow:
    """One row of a comparison.

    Attributes:
        method: The method's name, or `chance`.
        varied: Value of each varied key that the method has, as written in a scenario.
        ground: Letter of the row's ground, see `comparability`; "" if no run finished.
        seeds: Seeds whose runs finished, ascending.
        failed: Error message of each failed run, by seed.
        mean: Mean over seeds by measure, of the measures that all runs of the row have.
        deviation: Standard deviation over seeds (n - 1) by measure, with two seeds or more.
        floor: Whether the row is a reference, chance or zero-shot.
    """

    method: str
    varied: Mapping[str, str]
    ground: str
    seeds: tuple[int, ...]
    failed: Mapping[int, str]
    mean: Mapping[str, float]
    deviation: Mapping[str, float]
    floor: bool = False

    @property
    def name(self) -> str:
        """Method and varied settings on one line."""
        return ", ".join([self.method, *(f"{key}={value}" for key, value in self.varied.items())])


@dataclass(frozen=True)
class ComparisonRows:
    """All rows of a comparison.

    Attributes:
        title: Name of the comparison.
        varied: Dotted keys that differ between runs of one method; each is a column.
        rows: Chance and zero-shot, then the methods in the order of the runs.
        measures: Metrics of the runs' task.
        notes: What a reader of the table must know, one line each.
    """

    title: str
    varied: tuple[str, ...]
    rows: tuple[ComparisonRow, ...]
    measures: Measures
    notes: tuple[str, ...] = field(default=())

    @property
    def grounds(self) -> tuple[str, ...]:
        """Letters of the rows' grounds; all rows can be compared if there is only one."""
        return tuple(sorted({row.ground for row in self.rows if row.ground}))

    @property
    def failures(self) -> list[str]:
        """One line for every run that failed."""
        return [f"{row.name}, seed {seed}: {why}" for row in self.rows for seed, why in row.failed.items()]

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a pandas table: ratios in [0, 1], deviations beside them as `<measure>_std`."""
        import pandas as pd

        measures = [measure + end for measure in list_measures(self.measures) for end in ("", "_std")]
        columns = ["method", *self.varied, "ground", "seeds", "failed", *measures]
        return pd.DataFrame([flatten_row(row) for row in self.rows], columns=columns)


def list_measures(measures: Measures) -> tuple[str, ...]:
    """Lists the measures of a row.

    Args:
        measures: Metrics of the task.

    Returns:
        Names of the measures; the last two are of the round that validation images select, where there are any, and of
        the best round, which is selected with the test set.
    """
    return (*measures.names, measures.selected, measures.best)


def _common(found: Sequence[Measures]) -> Measures:
    """The metrics of all runs. Raises RunError where the runs have different tasks."""
    if any(each != found[0] for each in found):
        names = " and ".join(sorted({each.headline.words for each in found}))
        raise RunError(f"compare: the runs have different tasks, which measure {names}. Compare runs of one task.")
    return found[0]


def flatten_row(row: ComparisonRow) -> dict[str, Any]:
    """Flattens a row.

    Args:
        row: The row.

    Returns:
        Column and value, as in `ComparisonRows.frame`.
    """
    deviation = {f"{measure}_std": value for measure, value in row.deviation.items()}
    named = {"method": row.method, **row.varied, "ground": row.ground}
    return {**named, "seeds": list(row.seeds), "failed": dict(row.failed), **row.mean, **deviation}


def compare_entries(title: str, entries: Sequence[RunEntry], notes: Iterable[str] = ()) -> ComparisonRows:
    """Compares runs, finished or failed.

    Args:
        title: Name of the comparison.
        entries: The runs.
        notes: Lines that are added to the notes.

    Returns:
        The rows.

    Raises:
        RunError: Two runs of the same scenario and seed have different results, or the runs have different tasks.
    """
    varied = find_varied_keys(entries)
    groups: dict[tuple[str, ...], list[RunEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.method, *(entry.value(key) for key in varied)), []).append(entry)
    grounds = Grounds()
    measures = _common([entry.scenario.task.measured for entry in entries])
    rows = [_row(group, varied, grounds, measures) for group in groups.values()]
    floors = [row for letter in grounds.letters for row in _floors(letter, grounds.list_runs(letter), rows, measures)]
    done = [entry for entry in entries if not entry.error]
    lines = (
        *describe_windows(done),
        *grounds.describe(),
        *list_differences(entries, varied),
        *list_version_differences(done),
        *notes,
    )
    return ComparisonRows(title, varied, (*floors, *rows), measures, lines)


def find_varied_keys(entries: Sequence[RunEntry]) -> tuple[str, ...]:
    """Finds the keys that have different values in runs of one method.

    Args:
        entries: The runs.

    Returns:
        Dotted keys without `seed`.
    """
    found: dict[str, None] = {}
    for method in dict.fromkeys(entry.method for entry in entries):
        own = [entry.settings for entry in entries if entry.method == method]
        for key in dict.fromkeys(key for one in own for key in one):
            if key != "seed" and len({format_value(one[key]) for one in own if key in one}) > 1:
                found[key] = None
    return tuple(found)


def _row(group: Sequence[RunEntry], varied: Sequence[str], grounds: Grounds, measures: Measures) -> ComparisonRow:
    """The row of runs that differ only in their seed."""
    finished: dict[int, RunEntry] = {}
    for entry in group:
        if not entry.error:
            _refuse_another_result(finished.setdefault(entry.seed, entry), entry)
    runs = [finished[seed] for seed in sorted(finished)]
    failed = {entry.seed: entry.error for entry in group if entry.error}
    first = group[0]
    values = {key: first.value(key) for key in varied if key in first.settings}
    numbers = _over_seeds([run.row(first.method) for run in runs], measures)
    return ComparisonRow(
        first.method, values, grounds.assign_letter(runs), tuple(run.seed for run in runs), failed, *numbers
    )


def _refuse_another_result(one: RunEntry, other: RunEntry) -> None:
    if one.result["sha256"] != other.result["sha256"]:
        raise RunError(
            f"{other.folder}: has another result than {one.folder}, although scenario and seed are the same. "
            "Give only one of them."
        )


def _floors(
    letter: str, runs: Sequence[RunEntry], rows: Sequence[ComparisonRow], measures: Measures
) -> list[ComparisonRow]:
    """Chance and zero-shot on one ground. A method that is compared itself gets no second row."""
    compared = {row.method for row in rows if row.ground == letter}
    names = [name for name in FLOORS if name not in compared]
    found = {name: _over_seeds([run.row(name) for run in runs], measures) for name in names}
    seeds = tuple(run.seed for run in runs)
    return [ComparisonRow(name, {}, letter, seeds, {}, *numbers, floor=True) for name, numbers in found.items()]


def _over_seeds(rows: Sequence[Mapping[str, Any]], measures: Measures) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and deviation of every measure that all rows have."""
    known = {
        measure: [row[measure] for row in rows if row.get(measure) is not None] for measure in list_measures(measures)
    }
    whole = {measure: values for measure, values in known.items() if values and len(values) == len(rows)}
    return (
        {measure: fmean(values) for measure, values in whole.items()},
        {measure: stdev(values) for measure, values in whole.items() if len(values) > 1},
    )
