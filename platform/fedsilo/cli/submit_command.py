"""`fedsilo submit`: a run as a job of a Ray cluster, which continues without this machine."""

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
    str, typer.Option(metavar="RUN", help="Continue a run, by its folder on the cluster, instead of a SCENARIO.")
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
    """Run a scenario on a Ray cluster as a job. Code and scenario are sent along; this machine may be switched off.

    Args:
        words: Scenario file and changes, or only changes with `resume`.
        address: Address of the cluster's dashboard.
        name: Name of the job and of the run's folder.
        resume: Folder of a run on the cluster that is continued.
        follow: Whether to show the output until the job ends.
        python: The Python of the cluster's head.
    """
    bundle = _bundle(words or [], name, resume, python)
    from fedsilo_actors.job_submission import JobServer

    server = JobServer(address)
    for notice in bundle.notices:
        line(f"note: {notice}")
    server.submit(bundle)
    job, at = shlex.quote(bundle.name), shlex.quote(server.address)
    line(f"job: {bundle.name}   run: {bundle.run} (on the cluster)")
    line(f"follow: ray job logs --follow --address {at} {job}")
    line(f"stop:   ray job stop --address {at} {job}")
    if follow:
        raise typer.Exit(_follow(server, bundle))


def _bundle(words: Sequence[str], name: str, resume: str, python: str) -> JobBundle:
    from fedsilo.runs.job_bundle import bundle_new_run, bundle_old_run

    if resume:
        if name or any("=" not in word for word in words):
            raise ScenarioError("submit: --resume has its own scenario and name. Leave out SCENARIO and --name.")
        return bundle_old_run(resume, words, python)
    if not words:
        raise ScenarioError("submit: a scenario is missing. Give the path of a scenario file, or --resume RUN.")
    return bundle_new_run(Path(words[0]), words[1:], name, python)


def _follow(server: JobServer, bundle: JobBundle) -> int:
    try:
        return server.follow(bundle.name, _show)
    except KeyboardInterrupt:
        line(f"job {bundle.name} continues. Stop it: ray job stop --address {server.address} {bundle.name}")
        raise


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
