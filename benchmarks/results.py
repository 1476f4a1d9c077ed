"""Compares all methods under three kinds of shift, and DP-FPL by rank and noise, and writes docs/results.md.

Every scenario in scenarios/methods/ is run as `PARTS` says, with three seeds, on the serial backend. What has finished
before is not run again: delete runs/results/ to start over, for example after a change of the code (a note in the page
says when runs were made with different code).

    python benchmarks/results.py [--seeds 0,1,2] [--jobs 2] [--only SCENARIO...] [--root FOLDER] [KEY=VALUE...]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill
from typing import Any

from fedsilo.core.metrics import NEIGHBOUR, WORST, Measures, read_measures
from fedsilo.core.state import write_bytes
from fedsilo.report.results.comparison_rows import ComparisonRow, ComparisonRows
from fedsilo.report.results.run_entry import RunEntry
from fedsilo.report.terminal.comparison_table import comparison_legend, markdown
from fedsilo.runs.comparison.compare import compare_grid
from fedsilo.runs.comparison.sweep import ALL, Sweep

ROOT = Path(__file__).resolve().parent.parent
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Part:
    """One comparison of the page.

    Attributes:
        scenario: File in scenarios/methods/, without ending.
        methods: Names; "all" for every one that trains.
        axes: Varied keys with their values.
        only: Keys of single methods; the page says which keys are not the same for all.
    """

    scenario: str
    methods: tuple[str, ...] = (ALL,)
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    only: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def grid(self, changes: Sequence[str], seeds: tuple[int, ...]) -> Sweep:
        """Returns the runs."""
        path = ROOT / "scenarios" / "methods" / f"{self.scenario}.yaml"
        axes = tuple(tuple({key: value} for value in values) for key, values in self.axes.items())
        return Sweep(path, ["actors.backend=serial", *changes], self.methods, seeds, axes, self.only)


PARTS = (
    Part("disjoint_classes"),
    Part("label_shift"),
    Part("feature_and_label_shift"),
    Part("low_rank", ("dpfpl",), {"method.rank": (1, 2, 4, 8), "method.residual": (True, False)}),
    Part(
        "growing_noise",
        ("promptfl", "fedotp_additive", "fedpgp", "dpfpl"),
        {"privacy.epsilon": (100.0, 3.0, 1.0, 0.4)},
        {"fedpgp": {"method.mu": 0.0, "method.rank": 8}},  # as in DP-FPL's tables
    ),
)

HEAD = """\
# Results

Written by `make results` (`python benchmarks/results.py`); do not edit. All methods that fedsilo has, on emblems and
fedsilo-tiny, under three kinds of shift, then DP-FPL by rank and under noise; every method with the same seeds and, for
a seed, the same images at the same clients.

{legend}.

Chance and zero-shot (the hand-written prompt, nothing learnt) are there to hold the rest against. The learning rates
suit fedsilo-tiny and are not the papers'; where a key is not the same for all methods, a line under the table says so.
"""


def main() -> None:
    asked = _arguments()
    parts: list[str] = []
    failed = 0
    for part in PARTS:
        if asked.only and part.scenario not in asked.only:
            continue
        grid = part.grid(asked.changes, asked.seeds)
        found = compare_grid(grid, asked.root / part.scenario, asked.jobs, _say).standings
        if not parts:
            legend = comparison_legend(found)
            parts.append(HEAD.format(legend=fill(legend[0].upper() + legend[1:], 120)))
        parts.append(section(Path(str(grid.source)), found))
        failed += len(found.failures)
    write_bytes(asked.page, "\n".join(parts).encode())
    print(f"wrote {asked.page}")
    sys.exit(1 if failed else 0)


def section(path: Path, found: ComparisonRows) -> str:
    """Returns the part of the page about one scenario."""
    place = path.relative_to(ROOT)
    points = [*seen(found), *found.notes, *(f"failed: {line}" for line in found.failures)]
    lines = "".join(f"- {line}\n" for line in points)
    title = found.title.replace("-", " ").capitalize()
    return f"## {title}\n\n{_question(path)}\n[{place}](../{place})\n\n{markdown(found)}\n{lines}"


def seen(found: ComparisonRows) -> list[str]:
    """Returns in words what the table shows."""
    rows = [row for row in found.rows if not row.floor and row.seeds]
    lines = []
    measures = found.measures
    for measure, where in (
        (measures.local, "on clients' own images"),
        (measures.of(NEIGHBOUR), "on their neighbours' images"),
        (measures.of(WORST), "for the worst client"),
    ):
        best = sorted((row for row in rows if measure in row.mean), key=lambda row: -row.mean[measure])[:3]
        if best:
            lines.append(
                f"highest {where}: {', '.join(f'{row.name} {_number(row, measure, measures)}' for row in best)}."
            )
    zero = next((row.mean[measures.local] for row in found.rows if row.method == "zero_shot" and row.mean), None)
    below = [row.name for row in rows if zero is not None and row.mean[measures.local] < zero]
    if below:
        lines.append(f"below zero-shot on clients' own images: {', '.join(below)}.")
    return lines


def _number(row: ComparisonRow, measure: str, measures: Measures) -> str:
    deviation = row.deviation.get(measure)
    return measures.written(measure, row.mean[measure]) + (
        "" if deviation is None else f" ± {measures.written(measure, deviation)}"
    )


def _question(path: Path) -> str:
    """The comment that the scenario begins with, without the command."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# ") or line.startswith("#  "):
            break
        lines.append(line.removeprefix("# "))
    return "\n".join(lines) + "\n"


def _say(done: int, total: int, entry: RunEntry, before: bool) -> None:
    how = entry.error or read_measures(entry.result).headline.written(entry.result["headline"]["value"]) + (
        " (ran before)" if before else ""
    )
    print(f"{done}/{total}  {entry.method}, seed {entry.seed}: {how}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare all methods and write docs/results.md.")
    parser.add_argument("--seeds", type=_seeds, default=SEEDS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[], help="scenarios to do, by file name without ending")
    parser.add_argument("--root", type=Path, default=Path("runs/results"))
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results.md")
    parser.add_argument("changes", nargs="*", metavar="key=value")
    return parser.parse_args()


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


if __name__ == "__main__":
    main()
