"""`fedsilo top`: the live progress of a run, from its folder or from its coordinator on a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

from fedsilo.cli.output import console, line, show, show_json
from fedsilo.cli.run_commands import Json
from fedsilo.core.errors import RunError

if TYPE_CHECKING:
    from fedsilo.report.results.progress_overview import Overview

Look = Callable[[], "Overview | None"]
"""Returns the progress of the run; None when its coordinator is gone because the run has ended."""

ENDED = "its coordinator is gone: the run has ended"


def top(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name on a cluster.")],
    address: Annotated[
        str, typer.Option(help="Ray cluster that it runs on: 'auto', host:port or ray://host:port.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Print one table and end.")] = False,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between looks.")] = 2.0,
    json: Json = False,
) -> None:
    """Show the progress of a run, live, until it ends, from any machine that reaches its folder or its cluster.

    Args:
        run: The run's folder, or its name on a cluster.
        address: Address of the Ray cluster.
        once: Whether to print one table and end.
        interval: Seconds between two looks.
        json: Whether to print JSON.

    Raises:
        RunError: The run cannot be found, or has ended on its cluster.
    """
    from fedsilo.report.terminal.overview_table import overview_table

    with _source(run, address) as look:
        if once or json:
            found = look()
            if found is None:
                raise RunError(f"{run}: {ENDED}.")
            show_json(asdict(found)) if json else show(overview_table(found, console().width))
        elif console().is_terminal:
            _live(look, interval)
        else:
            _lines(look, interval)


@contextmanager
def _source(run: str, address: str) -> Iterator[Look]:
    """The folder where it can be reached, else the coordinator on the cluster."""
    folder = Path(run)
    if folder.is_dir():
        from fedsilo.report.results.finished_run import load
        from fedsilo.report.results.progress_overview import read_overview

        found = load(folder)
        yield lambda: read_overview(found)
        return
    if not address:
        raise RunError(f"{run}: there is no such folder here. For a run on a cluster give its name and --address.")

    from fedsilo_actors.monitoring.run_observer import observe

    with observe(folder.name, address) as look:
        yield look


def _live(look: Look, interval: float) -> None:
    """Draws the table repeatedly; the last table stays."""
    from fedsilo.report.results.progress_overview import RUNNING
    from fedsilo.report.terminal.overview_table import overview_table

    ended = ""
    with Live(console=console(), auto_refresh=False) as screen:
        while True:
            found = look()
            if found is None:
                ended = ENDED
                break
            screen.update(overview_table(found, screen.console.width), refresh=True)
            if found.state != RUNNING:
                break
            time.sleep(interval)
    if ended:
        line(ended)


def _lines(look: Look, interval: float) -> None:
    """Without a terminal: prints a line for each round, and the table at the end."""
    from fedsilo.report.results.progress_overview import RUNNING
    from fedsilo.report.terminal.overview_table import overview_table, progress_line

    printed = ""
    found = last = look()
    while found is not None and found.state == RUNNING:
        if (text := progress_line(found)) != printed:
            line(printed := text)
        time.sleep(interval)
        last, found = found, look()
    if (final := found or last) is not None:
        show(overview_table(final, console().width))
    if found is None:
        line(ENDED)
