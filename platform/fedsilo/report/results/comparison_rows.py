"""Runs side by side: a row for every method and varied setting, with mean and deviation over its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from fedsilo.config.dumping import format_value
from fedsilo.core import Measures
from fedsilo.core.errors import RunError
from fedsilo.report.results.comparability import Grounds, differences, versions, windows
from fedsilo.report.results.run_entry import RunEntry

if TYPE_CHECKING:
    import pandas as pd

CHANCE, ZERO_SHOT = "chance", "zero_shot"
FLOORS = (CHANCE, ZERO_SHOT)
"""What stands beside every comparison."""


@dataclass(frozen=True)
class ComparisonRow:
    """One row.

    Attributes:
        method: The method's name, or `chance`.
        varied: Value of each varied key that the method has, as written in a scenario.
        ground: Letter of what its runs stand on; "" if none finished.
        seeds: Seeds that finished, ascending.
        failed: Why others did not, by seed.
        mean: Mean over seeds by measure; measures that not all its runs have are left out.
        deviation: Standard deviation over seeds (n - 1) by measure, with two seeds or more.
        floor: Whether it is there only to hold the others against.
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
        """Returns method and varied settings on one line."""
        return ", ".join([self.method, *(f"{key}={value}" for key, value in self.varied.items())])


@dataclass(frozen=True)
class ComparisonRows:
    """The whole comparison.

    Attributes:
        title: What is compared.
        varied: Keys that differ between runs of one method, dotted; each is a column.
        rows: Chance and zero-shot, then the methods in the order of the runs.
        measures: What the runs' task measures.
        notes: What a reader of the table must know, one line each.
    """

    title: str
    varied: tuple[str, ...]
    rows: tuple[ComparisonRow, ...]
    measures: Measures
    notes: tuple[str, ...] = field(default=())

    @property
    def grounds(self) -> tuple[str, ...]:
        """Returns the letters of what its rows stand on; all rows may be compared if there is only one."""
        return tuple(sorted({row.ground for row in self.rows if row.ground}))

    @property
    def failures(self) -> list[str]:
        """Returns a line for every run that failed."""
        return [f"{row.name}, seed {seed}: {why}" for row in self.rows for seed, why in row.failed.items()]

    @property
    def frame(self) -> pd.DataFrame:
        """Returns the table for pandas: ratios in [0, 1], deviations beside them as `<measure>_std`."""
        import pandas as pd

        measures = [measure + end for measure in shown(self.measures) for end in ("", "_std")]
        columns = ["method", *self.varied, "ground", "seeds", "failed", *measures]
        return pd.DataFrame([flat(row) for row in self.rows], columns=columns)


def shown(measures: Measures) -> tuple[str, ...]:
    """Returns the measures of a row; the last one is picked with the test set."""
    return (*measures.names, measures.best)


def _common(found: Sequence[Measures]) -> Measures:
    """The measures of all runs. Raises RunError where runs of different tasks are compared."""
    if any(each != found[0] for each in found):
        names = " and ".join(sorted({each.headline.words for each in found}))
        raise RunError(f"compare: the runs measure different things, {names}. Compare runs of one task.")
    return found[0]


def flat(row: ComparisonRow) -> dict[str, Any]:
    """Returns one row as a flat mapping."""
    deviation = {f"{measure}_std": value for measure, value in row.deviation.items()}
    named = {"method": row.method, **row.varied, "ground": row.ground}
    return {**named, "seeds": list(row.seeds), "failed": dict(row.failed), **row.mean, **deviation}


def standings(title: str, entries: Sequence[RunEntry], notes: Iterable[str] = ()) -> ComparisonRows:
    """Returns the comparison of runs, finished or failed.

    Args:
        title: What is compared.
        entries: The runs.
        notes: Lines to end the notes with.

    Raises:
        RunError: Two runs of the same scenario and seed have different results, so one of them is not what it says.
    """
    varied = varied_keys(entries)
    groups: dict[tuple[str, ...], list[RunEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.method, *(entry.value(key) for key in varied)), []).append(entry)
    grounds = Grounds()
    measures = _common([entry.scenario.task.measured for entry in entries])
    rows = [_row(group, varied, grounds, measures) for group in groups.values()]
    floors = [row for letter in grounds.letters for row in _floors(letter, grounds.runs(letter), rows, measures)]
    done = [entry for entry in entries if not entry.error]
    said = (*windows(done), *grounds.notes(), *differences(entries, varied), *versions(done), *notes)
    return ComparisonRows(title, varied, (*floors, *rows), measures, said)


def varied_keys(entries: Sequence[RunEntry]) -> tuple[str, ...]:
    """Returns the dotted keys, seed apart, that have different values in runs of one method."""
    found: dict[str, None] = {}
    for method in dict.fromkeys(entry.method for entry in entries):
        own = [entry.settings for entry in entries if entry.method == method]
        for key in dict.fromkeys(key for one in own for key in one):
            if key != "seed" and len({format_value(one[key]) for one in own if key in one}) > 1:
                found[key] = None
    return tuple(found)


def _row(group: Sequence[RunEntry], varied: Sequence[str], grounds: Grounds, measures: Measures) -> ComparisonRow:
    """The row of all runs that differ in nothing but the seed."""
    finished: dict[int, RunEntry] = {}
    for entry in group:
        if not entry.error:
            _refuse_another_result(finished.setdefault(entry.seed, entry), entry)
    runs = [finished[seed] for seed in sorted(finished)]
    failed = {entry.seed: entry.error for entry in group if entry.error}
    first = group[0]
    values = {key: first.value(key) for key in varied if key in first.settings}
    numbers = _over_seeds([run.row(first.method) for run in runs], measures)
    return ComparisonRow(first.method, values, grounds.letter(runs), tuple(run.seed for run in runs), failed, *numbers)


def _refuse_another_result(one: RunEntry, other: RunEntry) -> None:
    if one.result["sha256"] != other.result["sha256"]:
        raise RunError(
            f"{other.folder}: has another result than {one.folder}, though scenario and seed are the same. "
            "Give only one of them."
        )


def _floors(
    letter: str, runs: Sequence[RunEntry], rows: Sequence[ComparisonRow], measures: Measures
) -> list[ComparisonRow]:
    """Chance and zero-shot on one ground; where zero-shot is compared itself, it needs no second row."""
    compared = {row.method for row in rows if row.ground == letter}
    names = [name for name in FLOORS if name not in compared]
    found = {name: _over_seeds([run.row(name) for run in runs], measures) for name in names}
    seeds = tuple(run.seed for run in runs)
    return [ComparisonRow(name, {}, letter, seeds, {}, *numbers, floor=True) for name, numbers in found.items()]


def _over_seeds(rows: Sequence[Mapping[str, Any]], measures: Measures) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and deviation of every measure that all rows have."""
    known = {measure: [row[measure] for row in rows if row.get(measure) is not None] for measure in shown(measures)}
    whole = {measure: values for measure, values in known.items() if values and len(values) == len(rows)}
    return (
        {measure: fmean(values) for measure, values in whole.items()},
        {measure: stdev(values) for measure, values in whole.items() if len(values) > 1},
    )
