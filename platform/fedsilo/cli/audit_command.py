"""`fedsilo audit`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fedsilo.cli.output import line, remark, show, show_json
from fedsilo.cli.run_commands import Json, Quiet
from fedsilo.core.errors import RunError

Told = Callable[[int, int, str, bool], None]

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder.")]
Shadows = Annotated[int, typer.Option(help="Shadow runs, at least 4; more see more. Those that are there count.")]
Unit = Annotated[
    str,
    typer.Option(
        help="example: which images were trained on; client: which clients contributed, by every round's state."
    ),
]
View = Annotated[
    str | None,
    typer.Option(
        help="For unit example. client, the default: each client's own model, private state and all; shared: what "
        "somebody outside receives."
    ),
]
Jobs = Annotated[int, typer.Option(help="Shadow runs side by side, each in a process of its own.")]
Shuffle = Annotated[bool, typer.Option("--shuffle", help="The control: shuffle membership, which must give 50 %.")]


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
    """Try to tell what a finished run was trained on, images or whole clients, and what that says of its epsilon.

    The scenario is run again as often as there are shadow runs, with membership redrawn, in RUN/audit. Run the command
    again and only what is missing is run. The findings are also in RUN/audit.json; of clients, RUN/audit-clients.json.
    """
    from fedsilo.report.results.finished_run import load

    load(folder)  # a wrong folder is refused before the imports below, which take seconds
    from fedsilo.report.terminal.audit_table import AUDIT_LEGEND, CLIENTS_LEGEND, audit_table, clients_audit_table

    told = _telling(quiet or json)
    try:
        if unit == "client":
            document, name = _of_clients(folder, shadows, view, jobs, shuffle, told)
        elif unit == "example":
            document, name = _of_examples(folder, shadows, view, jobs, shuffle, told)
        else:
            raise RunError(f"unit: must be example or client, got {unit!r}.")
    except KeyboardInterrupt:
        remark("stopped. The same command goes on with what is missing.")
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
    folder: Path, shadows: int, view: str | None, jobs: int, shuffle: bool, told: Told
) -> tuple[dict[str, Any], str]:
    from fedsilo.runs.audit.audit_request import CLIENT, Audit

    asked = Audit(shadows, jobs, shuffle, CLIENT if view is None else view)
    asked.check()  # before the imports below, which take seconds
    from fedsilo.runs.audit.image_audit import audit, file_name

    return audit(folder, asked, told), file_name(asked)


def _of_clients(
    folder: Path, shadows: int, view: str | None, jobs: int, shuffle: bool, told: Told
) -> tuple[dict[str, Any], str]:
    from fedsilo.runs.audit.audit_request import ClientAudit

    if view is not None:
        raise RunError(
            f"view: unit client always sees the shared states of all rounds, got {view!r}. Leave out --view."
        )
    asked = ClientAudit(shadows, jobs, shuffle)
    asked.check()
    from fedsilo.runs.audit.client_audit import audit_clients, clients_file_name

    return audit_clients(folder, asked, told), clients_file_name(asked)


def _telling(quiet: bool) -> Told:
    def told(done: int, total: int, name: str, before: bool) -> None:
        if not quiet:
            how = "ran before" if before else "done"
            remark(f"{done}/{total}  {name}: {how}")

    return told
