"""`fedsilo submit`: a run as a job of a Ray cluster, which goes on when this machine goes away."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsilo.cli.output import line
from fedsilo.core.errors import ScenarioError

if TYPE_CHECKING:
    from fedsilo.runs.job_bundle import JobBundle
    from fedsilo_actors.job_submission import JobServer

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="SCENARIO [KEY=VALUE]...", help="Scenario file (YAML), and changes of it."),
]
Address = Annotated[
    str,
    typer.Option(help="http://HEAD:8265; default: RAY_API_SERVER_ADDRESS, or port 8265 of this machine."),
]
Name = Annotated[str, typer.Option(help="The job's and the run folder's name; default: the scenario's and the time.")]
Resume = Annotated[
    str, typer.Option(metavar="RUN", help="Go on with a run by its folder on the cluster, in place of a SCENARIO.")
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Show its output until it ends, with its exit code.")]
Python = Annotated[str, typer.Option(help="The Python that has fedsilo's requirements on the cluster's head.")]


def submit(
    words: Words = None,
    address: Address = "",
    name: Name = "",
    resume: Resume = "",
    follow: Follow = False,
    python: Python = "python",
) -> None:
    """Run a scenario on a Ray cluster as a job: code and scenario are sent along, this machine may go away."""
    shipment = _shipment(words or [], name, resume, python)
    from fedsilo_actors.job_submission import JobServer

    server = JobServer(address)
    for notice in shipment.notices:
        line(f"note: {notice}")
    server.submit(shipment)
    job, at = shlex.quote(shipment.name), shlex.quote(server.address)
    line(f"job: {shipment.name}   run: {shipment.run} (on the cluster)")
    line(f"follow: ray job logs --follow --address {at} {job}")
    line(f"stop:   ray job stop --address {at} {job}")
    if follow:
        raise typer.Exit(_followed(server, shipment))


def _shipment(words: Sequence[str], name: str, resume: str, python: str) -> JobBundle:
    from fedsilo.runs.job_bundle import new_run, old_run

    if resume:
        if name or any("=" not in word for word in words):
            raise ScenarioError("submit: --resume has its scenario and its name already. Leave the others away.")
        return old_run(resume, words, python)
    if not words:
        raise ScenarioError("submit: no scenario is named. Give the path of a scenario file, or --resume RUN.")
    return new_run(Path(words[0]), words[1:], name, python)


def _followed(server: JobServer, shipment: JobBundle) -> int:
    try:
        return server.follow(shipment.name, _show)
    except KeyboardInterrupt:
        line(f"job {shipment.name} goes on. Stop it: ray job stop --address {server.address} {shipment.name}")
        raise


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
