"""`fedsilo audit`: a privacy audit of a finished run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fedsilo.cli.output import line, remark, show, show_json
from fedsilo.cli.run_commands import Json, Quiet
from fedsilo.core.errors import RunError

Report = Callable[[int, int, str, bool], None]

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder.")]
Shadows = Annotated[int, typer.Option(help="Shadow runs, at least 4; more find more. Finished ones are reused.")]
Unit = Annotated[
    str,
    typer.Option(
        help="example: which images were trained on; client: which clients contributed, from the states of all rounds."
    ),
]
View = Annotated[
    str | None,
    typer.Option(
        help="For unit example. client, the default: each client's own model with its private state; shared: what "
        "everyone receives."
    ),
]
Jobs = Annotated[int, typer.Option(help="Shadow runs at the same time, each in its own process.")]
Shuffle = Annotated[bool, typer.Option("--shuffle", help="A control: shuffle membership, which must give 50 %.")]


def audit(  # noqa: PLR0913, the arguments of a command are its options
    folder: Folder,
    shadows: Shadows = 16,
    unit: Unit = "example",
    view: View = None,
    jobs: Jobs = 1,
    shuffle: Shuffle = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Attack a finished run, single images or whole clients, and report the lower bound on its epsilon.

    The scenario is run again for each shadow run, with new random membership, in RUN/audit. Run the command again, and
    only missing shadow runs are run. The results are also in RUN/audit.json; for clients in RUN/audit-clients.json.

    Args:
        folder: Folder of a finished run.
        shadows: Number of shadow runs.
        unit: "example" or "client".
        view: "client" or "shared", for unit example.
        jobs: Number of shadow runs at the same time.
        shuffle: Whether to replace membership by chance, as a control.
        json: Whether to print the document as JSON.
        quiet: Whether to leave out progress.

    Raises:
        RunError: The unit is unknown, or the run cannot be audited.
    """
    from fedsilo.report.results.finished_run import load

    load(folder)  # a wrong folder is refused before the imports below, which take seconds
    from fedsilo.report.terminal.audit_table import AUDIT_LEGEND, CLIENTS_LEGEND, audit_table, clients_audit_table

    report = _reporter(quiet or json)
    try:
        if unit == "client":
            document, name = _of_clients(folder, shadows, view, jobs, shuffle, report)
        elif unit == "example":
            document, name = _of_examples(folder, shadows, view, jobs, shuffle, report)
        else:
            raise RunError(f"unit: must be example or client, got {unit!r}.")
    except KeyboardInterrupt:
        remark("stopped. The same command continues with what is missing.")
        raise
    if json:
        show_json(document)
        return
    show(clients_audit_table(document) if unit == "client" else audit_table(document))
    line(CLIENTS_LEGEND if unit == "client" else AUDIT_LEGEND)
    for text in document["verdict"]:
        line(text)
    line(f"audit: {folder / name}")


def _of_examples(
    folder: Path, shadows: int, view: str | None, jobs: int, shuffle: bool, report: Report
) -> tuple[dict[str, Any], str]:
    from fedsilo.runs.audit.audit_request import CLIENT, Audit

    asked = Audit(shadows, jobs, shuffle, CLIENT if view is None else view)
    asked.check()  # before the imports below, which take seconds
    from fedsilo.runs.audit.image_audit import audit, file_name

    return audit(folder, asked, report), file_name(asked)


def _of_clients(
    folder: Path, shadows: int, view: str | None, jobs: int, shuffle: bool, report: Report
) -> tuple[dict[str, Any], str]:
    from fedsilo.runs.audit.audit_request import ClientAudit

    if view is not None:
        raise RunError(
            f"view: unit client always sees the shared states of all rounds, got {view!r}. Leave out --view."
        )
    asked = ClientAudit(shadows, jobs, shuffle)
    asked.check()
    from fedsilo.runs.audit.client_audit import audit_clients, clients_file_name

    return audit_clients(folder, asked, report), clients_file_name(asked)


def _reporter(quiet: bool) -> Report:
    def report(done: int, total: int, name: str, before: bool) -> None:
        if not quiet:
            how = "ran before" if before else "done"
            remark(f"{done}/{total}  {name}: {how}")

    return report
