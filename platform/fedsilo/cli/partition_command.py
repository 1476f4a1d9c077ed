"""`fedsilo partition`: tables, scores and figures of one partition, or of several side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fedsilo.cli.run_commands import Json, Quiet
from fedsilo.core.errors import RunError, ScenarioError

IMAGES = 1000
"""Default number of images that are compared: `heterogeneity.IMAGES`, whose import takes longer."""

What = Annotated[
    list[str],
    typer.Argument(
        metavar="SCENARIO... [KEY=VALUE]...",
        help="Scenario files, and changes for all of them, for example partition.beta=0.1 seed=1.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder for the files; default: partitions/NAME. Several scenarios have a folder each in it."),
]
Images = Annotated[
    int, typer.Option(min=2, help="Images whose features are compared, over all clients, drawn from the seed.")
]
Features = Annotated[
    bool, typer.Option("--features/--no-features", help="Whether image features are computed and compared.")
]


def partition(
    what: What,
    out: Out = None,
    images: Images = IMAGES,
    features: Features = True,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Split the data as a scenario says: print, measure, save manifest, scores and figures; train nothing.

    Several scenarios are compared: how different their clients are, and in what.

    Args:
        what: Scenario files and changes for all of them.
        out: Folder for the files.
        images: Most images whose features are compared.
        features: Whether to compare image features.
        json: Whether to print JSON.
        quiet: Whether to leave out progress.
    """
    from fedsilo.config.scenario_reading import read

    files = [Path(word) for word in what if "=" not in word or Path(word).is_file()]
    changes = [word for word in what if Path(word) not in files]
    if not files:
        raise ScenarioError("partition: no scenario file among the arguments. Give one, or several to compare.")
    scenarios = [read(file, changes) for file in files]
    folder = out or (Path("partitions") / scenarios[0].name if len(files) == 1 else Path("partitions"))
    _refuse_unwritable(folder)
    from fedsilo.cli.partition_output import Split, show_one, show_several

    limit = images if features else 0
    found = [Split.of(scenario, limit, quiet or json) for scenario in scenarios]
    if len(found) == 1:
        show_one(found[0], folder, json)
    else:
        show_several(found, folder, json)


def _refuse_unwritable(folder: Path) -> None:
    """Raises RunError before any work when a folder cannot be created or written. Creates nothing."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise RunError(f"{folder}: cannot be created: {there} is not a folder. Choose another --out.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RunError(f"{folder}: cannot be created: {there} is not writable. Choose another --out.")
