"""`fedsilo audit`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from fedsilo.cli.output import line, remark, show, show_json
from fedsilo.cli.running import Json, Quiet

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder.")]
Shadows = Annotated[int, typer.Option(help="Shadow runs, at least 4; more see more. Those that are there count.")]
View = Annotated[
    str,
    typer.Option(
        help="client: each client's own model, private state and all; shared: what somebody outside receives."
    ),
]
Jobs = Annotated[int, typer.Option(help="Shadow runs side by side, each in a process of its own.")]
Shuffle = Annotated[bool, typer.Option("--shuffle", help="The control: shuffle membership, which must give 50 %.")]


def audit(  # noqa: PLR0913, the arguments of a command are its options
    folder: Folder,
    shadows: Shadows = 16,
    view: View = "client",
    jobs: Jobs = 1,
    shuffle: Shuffle = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Try to tell which images a finished run was trained on, and what that says of its epsilon.

    The scenario is run again as often as there are shadow runs, with membership redrawn, in RUN/audit. Run the command
    again and only what is missing is run. The findings are also in RUN/audit.json.
    """
    from fedsilo.results.reading import load

    load(folder)  # a wrong folder is refused before the imports below, which take seconds
    from fedsilo.audit.auditing import Audit, file_name
    from fedsilo.audit.auditing import audit as audit_run
    from fedsilo.report.audit_table import AUDIT_LEGEND, audit_table

    asked = Audit(shadows, view, jobs, shuffle)
    try:
        document = audit_run(folder, asked, _telling(quiet or json))
    except KeyboardInterrupt:
        remark("stopped. The same command goes on with what is missing.")
        raise
    if json:
        show_json(document)
        return
    show(audit_table(document))
    line(AUDIT_LEGEND)
    for text in document["verdict"]:
        line(text)
    line(f"audit: {folder / file_name(asked)}")


def _telling(quiet: bool) -> Callable[[int, int, str, bool], None]:
    def told(done: int, total: int, name: str, before: bool) -> None:
        if not quiet:
            how = "ran before" if before else "done"
            remark(f"{done}/{total}  {name}: {how}")

    return told
