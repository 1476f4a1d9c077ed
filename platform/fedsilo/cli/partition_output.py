"""Output of `fedsilo partition`: splits, scores, tables and figures, printed and written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fedsilo.cli.output import line, show_json
from fedsilo.cli.output import show as show_tables
from fedsilo.cli.progress_bars import show_progress
from fedsilo.config.sections import Scenario
from fedsilo.core.errors import RunError
from fedsilo.data.files.image_reading import inspection_told
from fedsilo.partitioning.heterogeneity import FILE, measure
from fedsilo.report.terminal.partition_table import (
    SCORES_LEGEND,
    MeasuredPartition,
    partition_table,
    partitions_table,
    scores_table,
    sizes_line,
)


class Split:
    """A scenario with its partition and scores."""

    def __init__(self, measured: MeasuredPartition, notices: Sequence[str]) -> None:
        self.measured, self.notices = measured, notices

    @classmethod
    def of(cls, scenario: Scenario, limit: int, quiet: bool) -> Split:
        """Splits the data of a scenario, and measures the partition.

        Args:
            scenario: The scenario.
            limit: Most images whose features are compared; 0 measures labels only.
            quiet: Whether to leave out progress.

        Returns:
            The split.
        """
        from fedsilo.simulation.feature_encoding import build_look
        from fedsilo.simulation.feature_sample import sample_features
        from fedsilo.simulation.preparation import partition_of

        pictured = None
        with show_progress(0, quiet, scenario.task.measured) as listener:
            with inspection_told(partial(listener.progress, "image files")):
                images, manifest = partition_of(scenario, build_look(scenario, listener.progress))
            if limit:
                pictured = sample_features(scenario, images, manifest, limit, listener.progress)
        measured = MeasuredPartition(scenario.name, manifest, measure(manifest, pictured, "--no-features"))
        return cls(measured, [*images.notices, *measured.scores.notes])

    def write(self, folder: Path) -> None:
        """Writes manifest, scores and figures.

        Args:
            folder: The folder, which is created.

        Raises:
            RunError: A file cannot be written.
        """
        from fedsilo.report.figures.clients_figure import draw_clients
        from fedsilo.report.figures.partition_figure import draw_partition

        _create(folder)
        name, manifest, scores = self.measured.name, self.measured.manifest, self.measured.scores
        manifest.write(folder / "partition.json")
        scores.write(folder / FILE)
        draw_partition(manifest, folder / "partition.png", name)
        draw_clients(manifest, scores, folder / "clients.png", name)

    def document(self, folder: Path) -> dict[str, Any]:
        """Builds the JSON document.

        Args:
            folder: Folder of the files.

        Returns:
            The document.
        """
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
    """Writes a split and prints it.

    Args:
        found: The split.
        folder: The folder to write.
        json: Whether to print JSON.
    """
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
    """Writes splits, each into its own folder, and prints a comparison.

    Args:
        found: The splits.
        folder: The folder that holds the splits' folders.
        json: Whether to print JSON.
    """
    from fedsilo.report.figures.compared_partitions_figure import draw_compared

    folders = [folder / name for name in _number_duplicates([split.measured.name for split in found])]
    for split, own in zip(found, folders, strict=True):
        split.write(own)
    several = [
        MeasuredPartition(own.name, split.measured.manifest, split.measured.scores)
        for split, own in zip(found, folders, strict=True)
    ]
    compared = folder / "compared.png"
    draw_compared(several, compared)
    if json:
        documents = [split.document(own) for split, own in zip(found, folders, strict=True)]
        show_json({"partitions": documents, "picture": str(compared)})
        return
    show_tables(partitions_table(several))
    line(SCORES_LEGEND)
    for split, own in zip(found, folders, strict=True):
        for notice in split.notices:
            line(f"note: {own.name}: {notice}")
    for own in folders:
        line(f"{own.name}: {own / 'partition.json'}   {own / 'clients.png'}")
    line(f"side by side: {compared}")


def _number_duplicates(names: Sequence[str]) -> list[str]:
    """The names, with a number after repeated ones."""
    return [
        name if name not in names[:place] else f"{name}-{names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    ]


def _create(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be created: {error.strerror}. Choose another --out.") from error
