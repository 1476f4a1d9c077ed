"""The command line's commands, from the files of this folder."""

from __future__ import annotations

from typing import Annotated

import typer

from fedsilo import __version__
from fedsilo.cli import audit_command as auditing
from fedsilo.cli import cache_command as cache
from fedsilo.cli import chaos_command as chaos
from fedsilo.cli import compare_command as comparing
from fedsilo.cli import data_command as data
from fedsilo.cli import doctor_command as doctor
from fedsilo.cli import inspect_commands as looking
from fedsilo.cli import partition_command as partitioning
from fedsilo.cli import predict_and_new as writing
from fedsilo.cli import privacy_command as budgeting
from fedsilo.cli import report_command as reporting
from fedsilo.cli import run_commands as running
from fedsilo.cli import schema_command as completing
from fedsilo.cli import submit_command as submitting
from fedsilo.cli import top_command as watching
from fedsilo.cli.command_group import CommandGroup

app = CommandGroup(
    name="fedsilo",
    help="Cross-silo federated learning of prompts for a frozen CLIP, simulated on Ray.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Cross-silo federated learning of prompts for a frozen CLIP, simulated on Ray.

    Args:
        version: Prints the version and ends.
    """


app.command()(running.run)
app.command()(running.resume)
app.command()(submitting.submit)
app.command()(comparing.compare)
app.command()(auditing.audit)
app.command()(chaos.chaos)
app.command()(looking.validate)
app.command()(partitioning.partition)
app.command()(looking.show)
app.command()(watching.top)
app.command()(reporting.report)
app.command("list")(looking.list_components)
app.command()(looking.describe)
app.command()(completing.schema)
app.command()(budgeting.privacy)
app.command()(writing.predict)
app.command()(writing.new)
app.command()(doctor.doctor)
app.add_typer(cache.app, name="cache")
app.add_typer(data.app, name="data")
