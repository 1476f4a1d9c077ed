"""`fedsilo run` and `fedsilo resume`."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsilo import __version__
from fedsilo.cli.output import line, remark, show, show_json
from fedsilo.cli.progress_bars import show_progress

if TYPE_CHECKING:
    from fedsilo.report.results.finished_run import Run

ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO", help="Scenario file (YAML).")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes, for example training.rounds=3 seed=1.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]


NewFolder = Annotated[
    Path | None, typer.Option(metavar="RUN", help="The run's folder; default: a new one below tracking.root.")
]
Elsewhere = Annotated[
    list[str] | None,
    typer.Argument(metavar="[actors.KEY=VALUE]...", help="Other machines, for example actors.address=auto."),
]


def run(
    scenario: ScenarioFile,
    changes: Overrides = None,
    folder: NewFolder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a scenario in a new folder and print the table of results.

    Args:
        scenario: Scenario file.
        changes: `key.path=value` texts that override the file.
        folder: The run's folder; None for a new one below tracking.root.
        json: Whether to print the result as JSON.
        quiet: Whether to leave out progress.
    """
    _print_title(scenario, quiet or json)
    from fedsilo.config.scenario_reading import read

    checked = read(scenario, changes or ())
    from fedsilo.runs.run import begin

    _go(begin(checked, folder), json, quiet)


def resume(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of an interrupted run.")],
    changes: Elsewhere = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Continue an interrupted run; its result is the same as without the interruption.

    Args:
        folder: The run's folder.
        changes: `actors.KEY=value` texts, to continue on other machines.
        json: Whether to print the result as JSON.
        quiet: Whether to leave out progress.
    """
    _print_title(folder, quiet or json)
    _go(folder, json, quiet, changes or ())


def _print_title(path: Path, quiet: bool) -> None:
    """Prints the scenario or the run at once, because the import of torch then takes seconds."""
    if "torch" not in sys.modules and path.exists() and not quiet:
        remark(f"fedsilo {__version__}: {path}")


def _go(folder: Path, json: bool, quiet: bool, changes: Sequence[str] = ()) -> None:
    from fedsilo.report.results.finished_run import load

    scenario = load(folder).scenario
    from fedsilo.runs.run import go

    bars = show_progress(scenario.training.rounds, quiet or json, scenario.task.measured)
    try:
        # Ray reports dead workers on standard output, which belongs to the result.
        with terminable(), redirect_stdout(sys.stderr), bars as listener:
            finished = go(folder, listener, changes=changes)
    except (KeyboardInterrupt, SystemExit):
        remark(f"stopped. Continue with: fedsilo resume {folder}")
        raise
    conclude(finished, json)


@contextmanager
def terminable() -> Iterator[None]:
    """Makes SIGTERM, with which batch systems end a job, work as Ctrl-C; the exit code is then 143.

    Yields:
        Nothing.
    """

    received: list[int] = []

    def stop(number: int, frame: object) -> None:
        received.append(number)
        raise KeyboardInterrupt  # the only exception that Ray passes on unchanged

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        if received:
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def conclude(run: Run, json: bool) -> None:
    """Prints a finished run: its table, warnings, notices and files.

    Args:
        run: The run.
        json: Whether to print the result as JSON.
    """
    if json:
        show_json({**run.result, "run": str(run.folder)})
        return
    from fedsilo.report.page.document import PAGE
    from fedsilo.report.terminal.run_tables import results_legend, results_table

    result = run.result
    show(results_table(result))
    line(results_legend(result))
    if result["privacy"]:
        line(_privacy(result["privacy"]))
    for text in result["warnings"]:
        line(f"warning: {text}")
    for text in result["notices"]:
        line(f"note: {text}")
    report = f"   report: {run.folder / PAGE}" if (run.folder / PAGE).exists() else ""
    line(f"run: {run.folder}{report}   sha256: {result['sha256'][:16]}")


def _privacy(budget: dict[str, Any]) -> str:
    kind = "epsilon" if budget["guaranteed"] else "nominal epsilon"
    epsilon = "infinite" if budget["epsilon"] in (None, math.inf) else f"{budget['epsilon']:.3g}"
    text = f"privacy: {kind} {epsilon} at delta {budget['delta']:g} per {budget['unit']}"
    return text + (f". {budget['note']}" if budget["note"] else "")
