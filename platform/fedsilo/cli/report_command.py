"""`fedsilo report`: the HTML page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedsilo.cli.output import line


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, finished or not.")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: report.html in the run's folder.")] = None,
    open: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Draw a run's page: one HTML file with tables and charts that needs no network.

    Args:
        folder: The run's folder.
        out: The file to write; None for report.html in the run's folder.
        open: Whether to open the page in a browser.
    """
    from fedsilo.report.results.finished_run import load

    run = load(folder)
    from fedsilo.report.page.document import PAGE, write_page

    path = out or run.folder / PAGE
    write_page(run, path)
    line(f"report: {path}" + ("" if run.finished else " (the run has not finished)"))
    if open:
        import webbrowser

        webbrowser.open(path.absolute().as_uri())
