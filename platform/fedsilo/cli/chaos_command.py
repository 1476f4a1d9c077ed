"""`fedsilo chaos`: runs under injected faults, compared with an undisturbed run."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from fedsilo.cli.output import line, remark, show, show_json
from fedsilo.cli.run_commands import Json, Overrides, Quiet, ScenarioFile, terminable
from fedsilo.core.printing import encode_utf8
from fedsilo.report.terminal.cells import cell

if TYPE_CHECKING:
    from fedsilo_actors.fault_injection.fault_verdict import Verdict

MARK = "<!-- fedsilo chaos -->"
"""The Markdown file's tables are replaced between two such lines; the rest of the file stays."""

Asked = list[str] | None
Kill = Annotated[
    Asked, typer.Option(help="client, encoder, coordinator, driver or node, as in client:0.1. Repeatable.")
]
Hang = Annotated[Asked, typer.Option(help="client, encoder or coordinator.")]
Raise = Annotated[Asked, typer.Option("--raise", help="client or encoder.")]
Exhaust = Annotated[Asked, typer.Option(help="client: its process gets no more memory.")]
Damage = Annotated[Asked, typer.Option(help="checkpoint: the driver is killed and the newest checkpoint damaged.")]
Fill = Annotated[Asked, typer.Option(help="store or disk.")]
Seed = Annotated[int, typer.Option(help="Seed of the first run's faults; the next run has the next seed.")]
Runs = Annotated[int, typer.Option(min=1, help="Runs under faults.")]
Limit = Annotated[float, typer.Option(min=1, help="Longest time from a start to an end or stop, seconds.")]
Reference = Annotated[str, typer.Option(help="Backend of the undisturbed run: serial or ray.")]
Root = Annotated[
    Path | None, typer.Option(help="Folder for all runs; default: a temporary one, removed after success.")
]
Markdown = Annotated[Path | None, typer.Option(help="Write the tables to this file, in the place of its old tables.")]


def chaos(  # noqa: PLR0913, the arguments of a command are its options
    scenario: ScenarioFile,
    changes: Overrides = None,
    kill: Kill = None,
    hang: Hang = None,
    raise_: Raise = None,
    exhaust: Exhaust = None,
    damage: Damage = None,
    fill: Fill = None,
    seed: Seed = 0,
    runs: Runs = 1,
    limit: Limit = 600.0,
    reference: Reference = "serial",
    root: Root = None,
    markdown: Markdown = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a scenario under faults, each with its probability at every point where it can occur, and compare the hashes.

    One run is undisturbed. In the others real faults are injected; a run that stops is resumed as a user would. Exit
    code 1: hashes differ, or a run hung or ended with anything but one line.

    Args:
        scenario: Scenario file.
        changes: `key.path=value` texts that override the file.
        kill: Processes to kill, with probabilities.
        hang: Processes to stop without ending them, with probabilities.
        raise_: Actors that raise an error, with probabilities.
        exhaust: Actors that run out of memory, with probabilities.
        damage: Files to damage, with probabilities.
        fill: Stores to fill, with probabilities.
        seed: Seed of the faults.
        runs: Number of runs under faults.
        limit: Longest time from a start to an end or stop, in seconds.
        reference: Backend of the undisturbed run.
        root: Folder for all runs; None for a temporary one.
        markdown: File that receives the tables.
        json: Whether to print the result as JSON.
        quiet: Whether to leave out progress.
    """
    from fedsilo.config.scenario_reading import read
    from fedsilo_actors.fault_injection.fault_plan import parse_odds

    deeds = {"kill": kill, "hang": hang, "raise": raise_, "exhaust": exhaust, "damage": damage, "fill": fill}
    asked = parse_odds({deed: words or () for deed, words in deeds.items()})
    checked = read(scenario, changes or ())
    from fedsilo_actors.fault_injection.fault_series import FaultSeries
    from fedsilo_actors.fault_injection.faulty_run import Limits

    series = FaultSeries(checked, asked, seed, runs, reference, Limits(limit))
    series.check()
    folder = root or Path(tempfile.mkdtemp(prefix="fedsilo-chaos-"))

    def show_progress(so_far: Verdict) -> None:
        """Shows the finished runs, so that an interrupted series has its table too."""
        if not (quiet or json):
            _show_newest(so_far, runs)
        if markdown:
            _write(markdown, so_far, list(asked))

    with terminable():
        found = series.carry_out(folder, show_progress)
    if found.sound and root is None:
        shutil.rmtree(folder)
    if json:
        show_json({**found.document(list(asked)), "folder": str(folder)})
    else:
        _print(found, list(asked), folder)
    if not found.sound:
        raise typer.Exit(1)


def _show_newest(found: Verdict, runs: int) -> None:
    name, trial = (f"{len(found.runs)}/{runs}", found.runs[-1]) if found.runs else ("undisturbed", found.reference)
    how = trial.trouble or f"{len(trial.faults)} faults, resumed {len(trial.stops)} times, {trial.seconds:.0f} s"
    equal = "" if found.equal(trial) or trial.trouble else ", HASHES ARE NOT EQUAL"
    remark(f"{name}  {trial.folder.name}: {how}{equal}")


def _print(found: Verdict, kinds: Sequence[str], folder: Path) -> None:
    from fedsilo_actors.fault_injection.fault_verdict import COLUMNS, RUN_COLUMNS

    faults = [[str(cell) for cell in row] for row in found.by_kind(kinds)]
    show(_table("faults", COLUMNS, faults), _table("runs", RUN_COLUMNS, found.by_run()))
    if found.reference.trouble or found.reference.stops:
        line(f"the undisturbed run failed: {found.reference.trouble or found.reference.stops[0]}")
    elif found.sound:
        line(f"equal: every run ended with the hashes of the undisturbed one (sha256 {found.reference.sha256[:16]})")
    if found.runs and not any(trial.faults for trial in found.runs):
        line("note: no fault was drawn. Raise the chances, or the number of runs.")
    if folder.exists():
        line(f"runs: {folder}")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number in (0, len(columns) - 1) else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def _write(path: Path, found: Verdict, kinds: Sequence[str]) -> None:
    """Writes the tables between the marks of a file. A file without marks is replaced by the tables."""
    from fedsilo.core.state import write_bytes
    from fedsilo_actors.fault_injection.fault_verdict import render_markdown

    tables = f"{MARK}\n\n{render_markdown(found, kinds, shlex.join(['fedsilo', *sys.argv[1:]]))}\n\n{MARK}"
    before = path.read_text(encoding="utf-8").split(MARK) if path.exists() else []
    document = f"{before[0]}{tables}{before[2]}" if len(before) == 3 else f"{tables}\n"
    write_bytes(path, encode_utf8(document))
