"""Partition: its pictures, and a table of the images of each client."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from markupsafe import Markup

from fedsilo.core.errors import FedsiloError
from fedsilo.partitioning.client_holdings import ClientHoldings
from fedsilo.partitioning.heterogeneity import FILE, Scores, measure
from fedsilo.partitioning.manifest import Manifest
from fedsilo.report.number_formats import pluralize
from fedsilo.report.page.heatmap import data_uri
from fedsilo.report.page.page_data import PageData
from fedsilo.report.page.page_elements import HtmlTable
from fedsilo.report.page.rendering import render
from fedsilo.report.terminal.partition_table import count_kinds, name_counted, scores_line
from fedsilo.report.terminal.run_tables import describe_client

PICTURES = {
    "partition.png": "Above: images of each client by domain. Below: its training images by class; "
    "of compositions by attribute and object, then by pair.",
    "clients.png": "Images that the clients hold.",
}
LARGEST = 2_000_000
"""Most bytes of a picture that is shown; a larger one is only named, so that the page stays small."""

SHORT = 20
"""Most rows of a table that is not folded."""


def draw_partition(data: PageData) -> Markup:
    """Draws the pictures of the partition, and the images of each client as a table.

    Args:
        data: The run's records.

    Returns:
        The section.
    """
    manifest = data.manifest
    if manifest is None:
        return render("partition", table=None)
    scores = _scores(data.folder, manifest)
    paths = {data.folder / name: about for name, about in PICTURES.items()}
    return render(
        "partition",
        scores=scores_line(scores),
        pictures=[_picture(path, about) for path, about in paths.items() if path.is_file()],
        clients=pluralize(len(manifest.clients), "client"),
        table=_table(manifest, scores.label_shift),
        unfolded=len(manifest.clients) <= SHORT,
        sha256=manifest.sha256,
    )


def _scores(folder: Path, manifest: Manifest) -> Scores:
    """The scores that the run has saved; for an old or damaged run, the scores that need no images."""
    with suppress(FedsiloError, OSError):
        saved = Scores.read(folder / FILE)
        if saved.split_sha256 == manifest.split_sha256:
            return saved
    return measure(manifest, None, "not saved with the run")


def _picture(path: Path, about: str) -> dict[str, str]:
    """Name, caption and address of a picture; an empty address where it is too large."""
    uri = data_uri(path.read_bytes()) if path.stat().st_size <= LARGEST else ""
    return {"name": path.name, "about": about, "uri": uri}


def _table(manifest: Manifest, shifts: tuple[float | None, ...]) -> HtmlTable:
    header = ["client", "domain", "train", "test", *name_counted(manifest), "label shift", "most of"]
    rows = zip(manifest.clients, count_kinds(manifest), shifts, strict=True)
    body = [_row(manifest, client, numbers, shift) for client, numbers, shift in rows]
    return HtmlTable(header, body, "Who holds what", words=(0, 1, len(header) - 1))


def _row(manifest: Manifest, client: ClientHoldings, numbers: Sequence[str], shift: float | None) -> list[str]:
    counts = sorted(zip(client.train_classes, manifest.classes, strict=True), reverse=True)[:3]
    return [
        f"{client.number:02d}",
        describe_client(client),
        f"{len(client.train):,}",
        f"{len(client.test):,}",
        *numbers,
        "" if shift is None else f"{shift:.2f}",
        ", ".join(f"{name} {count:,}" for count, name in counts if count),
    ]
