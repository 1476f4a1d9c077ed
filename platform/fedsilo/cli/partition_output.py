"""What `fedsilo partition` makes of scenarios: splits, scores, tables and pictures, printed and written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fedsilo.cli.output import line, show_json
from fedsilo.cli.output import show as show_tables
from fedsilo.cli.progress_bars import live
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import RunError
from fedsilo.data.files.image_reading import inspection_told
from fedsilo.partitioning.heterogeneity import FILE, measure
from fedsilo.report.terminal.partition_table import (
    SCORES_LEGEND,
    Measured,
    comparison_of_partitions,
    partition_table,
    scores_table,
    sizes_line,
)


class Split:
    """A scenario, split and measured."""

    def __init__(self, measured: Measured, notices: Sequence[str]) -> None:
        self.measured, self.notices = measured, notices

    @classmethod
    def of(cls, scenario: Scenario, limit: int, quiet: bool) -> Split:
        """Splits what a scenario says, and measures it by at most `limit` images; by labels only if that is 0."""
        from fedsilo.simulation.feature_encoding import build_look
        from fedsilo.simulation.feature_sample import sample_features
        from fedsilo.simulation.preparation import partition_of

        pictured = None
        with live(0, quiet, scenario.task.measured) as listener:
            with inspection_told(partial(listener.progress, "image files")):
                images, manifest = partition_of(scenario, build_look(scenario, listener.progress))
            if limit:
                pictured = sample_features(scenario, images, manifest, limit, listener.progress)
        measured = Measured(scenario.name, manifest, measure(manifest, pictured, "--no-features"))
        return cls(measured, [*images.notices, *measured.scores.notes])

    def write(self, folder: Path) -> None:
        """Writes manifest, scores and pictures into a folder, which is made. Raises RunError if the disk refuses."""
        from fedsilo.report.figures.clients_figure import draw_clients
        from fedsilo.report.figures.partition_figure import draw_partition

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


def show_one(found: Split, folder: Path, json: bool) -> None:
    """Writes a split into a folder and prints it."""
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


def show_several(found: Sequence[Split], folder: Path, json: bool) -> None:
    """Writes splits, each into a folder of its own below this one, and prints how they compare."""
    from fedsilo.report.figures.compared_partitions_figure import draw_compared

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


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}. Choose another --out.") from error
