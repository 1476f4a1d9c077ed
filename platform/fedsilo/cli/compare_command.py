"""`fedsilo compare`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsilo.cli.output import line, remark, show, show_json
from fedsilo.cli.run_commands import Json, Quiet
from fedsilo.core.errors import RunError, ScenarioError
from fedsilo.core.printing import encode_utf8

if TYPE_CHECKING:
    from fedsilo.report.results.comparison_rows import ComparisonRows
    from fedsilo.report.results.run_entry import RunEntry
    from fedsilo.runs.comparison.sweep import Sweep

What = Annotated[
    list[str],
    typer.Argument(
        metavar="SCENARIO [KEY=VALUE]... | RUN...",
        help="A scenario file with changes for all runs; or folders of finished runs, or a folder that holds them.",
    ),
]
Methods = Annotated[str, typer.Option(help="Methods, as in promptfl,local; 'all' is every one that trains.")]
Seeds = Annotated[str, typer.Option(help="Seeds, as in 0,1,2.")]
Vary = Annotated[
    list[str] | None, typer.Option(help="A key and its values, as in privacy.epsilon=0.4,0.1. Repeatable.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--for", help="A key of one method only, as in local:training.local_epochs=2. Repeatable."),
]
Root = Annotated[Path | None, typer.Option(help="The comparison's folder; default: runs/NAME-comparison.")]
Jobs = Annotated[int, typer.Option(min=1, help="Runs side by side, each in a process of its own.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Write all numbers to this CSV file as well.")]
Markdown = Annotated[Path | None, typer.Option(help="Write the table to this Markdown file as well.")]


def compare(  # noqa: PLR0913, the arguments of a command are its options
    what: What,
    methods: Methods = "",
    seeds: Seeds = "",
    vary: Vary = None,
    only: Only = None,
    root: Root = None,
    jobs: Jobs = 1,
    markdown: Markdown = None,
    csv_file: CsvFile = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a scenario with several methods, seeds or values, as far as that has not been done, and compare them.

    Run it again and only what is missing or unfinished is run. Folders of runs are compared as they are. Exit code 1:
    a run failed; its row says so.
    """
    from fedsilo.runs.comparison.sweep import Sweep

    for file in (markdown, csv_file):
        _refuse_no_folder(file)
    options = {"--methods": methods, "--seeds": seeds, "--vary": vary, "--for": only, "--root": root}
    folder = None
    if Path(what[0]).is_dir():
        from fedsilo.runs.comparison.compare import compare_folders

        found = compare_folders(_run_folders(what, [name for name, value in options.items() if value]))
    else:
        grid = Sweep(what[0], what[1:], _words(methods), _seeds(seeds), _axes(vary or ()), _only(only or ()))
        found, folder = _run(grid, root, jobs, quiet or json)
    _write(found, markdown, csv_file)
    _print(found, folder, json)
    if found.failures:
        raise typer.Exit(1)


def _run(grid: Sweep, root: Path | None, jobs: int, quiet: bool) -> tuple[ComparisonRows, Path]:
    from fedsilo.runs.comparison.compare import compare_grid

    try:
        comparison = compare_grid(grid, root, jobs, _telling(quiet))
    except KeyboardInterrupt:
        remark("stopped. The same command goes on with what is missing.")
        raise
    return comparison.standings, comparison.root


def _print(found: ComparisonRows, folder: Path | None, json: bool) -> None:
    from fedsilo.report.results.comparison_rows import flat
    from fedsilo.report.terminal.comparison_table import comparison_legend, comparison_table

    if json:
        show_json(
            {
                "title": found.title,
                "comparison": folder,
                "varied": found.varied,
                "rows": [flat(row) for row in found.rows],
                "notes": found.notes,
            }
        )
        return
    show(comparison_table(found))
    line(comparison_legend(found))
    for text in found.notes:
        line(f"note: {text}")
    for text in found.failures:
        line(f"failed: {text}")
    if folder:
        line(f"comparison: {folder}")


def _write(found: ComparisonRows, markdown: Path | None, csv_file: Path | None) -> None:
    from fedsilo.core.state import write_bytes
    from fedsilo.report.terminal.comparison_table import csv, document

    for file, form in ((markdown, document), (csv_file, csv)):
        if file:
            write_bytes(file, encode_utf8(form(found)))


def _refuse_no_folder(file: Path | None) -> None:
    """What would only be found after hours is said at once."""
    if file and (file.is_dir() or not file.absolute().parent.is_dir()):
        raise RunError(f"{file}: cannot be written: {'is a folder' if file.is_dir() else 'its folder does not exist'}.")


def _telling(quiet: bool) -> Callable[[int, int, RunEntry, bool], None]:
    def told(done: int, total: int, entry: RunEntry, before: bool) -> None:
        if quiet:
            return

        how = f"failed: {entry.error}"
        if not entry.error:
            metric = entry.scenario.task.measured.headline
            how = f"local {metric.words} {metric.shown(entry.result['headline']['value'])}"
            how += " (ran before)" if before else ""
        where = entry.folder.name if entry.folder else f"{entry.method}, seed {entry.seed}"
        remark(f"{done}/{total}  {where}: {how}")

    return told


def _run_folders(what: Sequence[str], options: Sequence[str]) -> list[Path]:
    if options:
        raise RunError(f"{', '.join(options)}: for a scenario that is to be run, but {what[0]} is a folder of runs.")
    for name in what:
        if not Path(name).is_dir():
            raise RunError(f"{name}: is no folder of runs. After one folder only folders can follow.")
    return [Path(name) for name in what]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\s,]+", text) if word)


def _seeds(text: str) -> tuple[int, ...]:
    for word in _words(text):
        if not (word.isascii() and word.isdecimal()):
            raise ScenarioError(f"--seeds: must be whole numbers >= 0 as in 0,1,2, got '{word}'.")
    return tuple(map(int, _words(text)))


def _axes(texts: Sequence[str]) -> tuple[tuple[list[str], ...], ...]:
    """Each `key=a,b` as the changes `key=a` and `key=b`."""
    axes = []
    for text in texts:
        key, equals, values = text.partition("=")
        if not (key.strip() and equals and values.strip()):
            raise ScenarioError(f"--vary: '{text}' names no values. Write a key and its values: training.rounds=5,10.")
        axes.append(tuple([f"{key}={value}"] for value in _values(values)))
    return tuple(axes)


def _values(text: str) -> list[str]:
    """The parts between commas that stand in no bracket or quotation."""
    return [part.strip() for part in re.findall(r"(?:\[[^\]]*\]|\{[^}]*\}|\"[^\"]*\"|'[^']*'|[^,])+", text)]


def _only(texts: Sequence[str]) -> dict[str, Any]:
    """Each `method:key=value` as a change for that method."""
    only: dict[str, list[str]] = {}
    for text in texts:
        before, equals, value = text.partition("=")
        method, colon, key = before.rpartition(":")
        if not (method and colon and key and equals):
            raise ScenarioError(f"--for: '{text}' is no key of a method. Write local:training.local_epochs=2.")
        only.setdefault(method, []).append(f"{key}={value}")
    return only
