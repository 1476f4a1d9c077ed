"""`fedsilo partition`: one scenario's partition in tables, scores and pictures, or several side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsilo.cli.output import line, show_json
from fedsilo.cli.output import show as show_tables
from fedsilo.cli.progress import live
from fedsilo.cli.running import Json, Quiet
from fedsilo.errors import RunError, ScenarioError
from fedsilo.heterogeneity import FILE, IMAGES, measure
from fedsilo.imagefiles.reading import inspection_told
from fedsilo.report.partition_table import (
    SCORES_LEGEND,
    Measured,
    comparison_of_partitions,
    partition_table,
    scores_table,
    sizes_line,
)

if TYPE_CHECKING:
    from fedsilo.scenario.sections import Scenario

What = Annotated[
    list[str],
    typer.Argument(
        metavar="SCENARIO... [KEY=VALUE]...",
        help="Scenario files, and changes for all of them, for example partition.beta=0.1 seed=1.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder for what is written; default: partitions/NAME. Of several scenarios, one in it each."),
]
Images = Annotated[
    int, typer.Option(min=2, help="Images whose features are compared, over all clients, drawn from the seed.")
]
Features = Annotated[
    bool, typer.Option("--features/--no-features", help="Whether image features are encoded and compared at all.")
]


def partition(
    what: What,
    out: Out = None,
    images: Images = IMAGES,
    features: Features = True,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Split the data as a scenario says: print, measure, save manifest, scores and pictures; train nothing.

    Several scenarios are compared: which clients are more unlike each other, and in what.
    """
    from fedsilo.scenario.reading import read

    files = [Path(word) for word in what if "=" not in word or Path(word).is_file()]
    changes = [word for word in what if Path(word) not in files]
    if not files:
        raise ScenarioError("partition: no scenario file among the arguments. Give one, or several to compare.")
    scenarios = [read(file, changes) for file in files]
    folder = out or (Path("partitions") / scenarios[0].name if len(files) == 1 else Path("partitions"))
    _refuse_unwritable(folder)
    limit = images if features else 0
    found = [_Split.of(scenario, limit, quiet or json) for scenario in scenarios]
    if len(found) == 1:
        _one(found[0], folder, json)
    else:
        _several(found, folder, json)


class _Split:
    """A scenario, split and measured."""

    def __init__(self, measured: Measured, notices: Sequence[str]) -> None:
        self.measured, self.notices = measured, notices

    @classmethod
    def of(cls, scenario: Scenario, limit: int, quiet: bool) -> _Split:
        """Splits what a scenario says, and measures it by at most `limit` images; by labels only if that is 0."""
        from fedsilo.picturing import picture
        from fedsilo.preparation import looking, partition_of

        pictured = None
        with live(0, quiet, scenario.task.measured) as listener:
            with inspection_told(partial(listener.progress, "image files")):
                images, manifest = partition_of(scenario, looking(scenario, listener.progress))
            if limit:
                pictured = picture(scenario, images, manifest, limit, listener.progress)
        measured = Measured(scenario.name, manifest, measure(manifest, pictured, "--no-features"))
        return cls(measured, [*images.notices, *measured.scores.notes])

    def write(self, folder: Path) -> None:
        """Writes manifest, scores and pictures into a folder, which is made. Raises RunError if the disk refuses."""
        from fedsilo.report.clients_picture import draw_clients
        from fedsilo.report.partition_picture import draw_partition

        _make(folder)
        name, manifest, scores = self.measured.name, self.measured.manifest, self.measured.scores
        manifest.write(folder / "partition.json")
        scores.write(folder / FILE)
        draw_partition(manifest, folder / "partition.png", name)
        draw_clients(manifest, scores, folder / "clients.png", name)

    def document(self, folder: Path) -> dict[str, Any]:
        """What --json prints of it."""
        return {
            "name": self.measured.name,
            "manifest": str(folder / "partition.json"),
            "sha256": self.measured.manifest.sha256,
            "split_sha256": self.measured.manifest.split_sha256,
            "pictures": [str(folder / "partition.png"), str(folder / "clients.png")],
            "heterogeneity": str(folder / FILE),
            **{key: self.measured.scores.document()[key] for key in ("sizes", "scores")},
            "notices": self.notices,
        }


def _one(found: _Split, folder: Path, json: bool) -> None:
    found.write(folder)
    if json:
        show_json(found.document(folder))
        return
    measured = found.measured
    show_tables(partition_table(measured.manifest), scores_table(measured))
    line(SCORES_LEGEND)
    line(sizes_line(measured.scores))
    for notice in found.notices:
        line(f"note: {notice}")
    line(f"manifest: {folder / 'partition.json'}   sha256: {measured.manifest.sha256[:16]}   scores: {folder / FILE}")
    line(f"pictures: {folder / 'partition.png'}   {folder / 'clients.png'}")


def _several(found: Sequence[_Split], folder: Path, json: bool) -> None:
    from fedsilo.report.compared_picture import draw_compared

    folders = [folder / name for name in _distinct([split.measured.name for split in found])]
    for split, own in zip(found, folders, strict=True):
        split.write(own)
    several = [
        Measured(own.name, split.measured.manifest, split.measured.scores)
        for split, own in zip(found, folders, strict=True)
    ]
    compared = folder / "compared.png"
    draw_compared(several, compared)
    if json:
        documents = [split.document(own) for split, own in zip(found, folders, strict=True)]
        show_json({"partitions": documents, "picture": str(compared)})
        return
    show_tables(comparison_of_partitions(several))
    line(SCORES_LEGEND)
    for split, own in zip(found, folders, strict=True):
        for notice in split.notices:
            line(f"note: {own.name}: {notice}")
    for own in folders:
        line(f"{own.name}: {own / 'partition.json'}   {own / 'clients.png'}")
    line(f"side by side: {compared}")


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that came before."""
    return [
        name if name not in names[:place] else f"{name}-{names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    ]


def _refuse_unwritable(folder: Path) -> None:
    """Raises RunError before any work when a folder cannot be made or written; makes nothing."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise RunError(f"{folder}: cannot be made: {there} is not a folder. Choose another --out.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RunError(f"{folder}: cannot be made: {there} may not be written. Choose another --out.")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}. Choose another --out.") from error
