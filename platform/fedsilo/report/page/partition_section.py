"""Who holds what: the partition's pictures and its table."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from fedsilo.core.errors import FedsiloError
from fedsilo.partitioning.client_holdings import ClientHoldings
from fedsilo.partitioning.heterogeneity import FILE, Scores, measure
from fedsilo.partitioning.manifest import Manifest
from fedsilo.report.page.heatmap import data_uri
from fedsilo.report.page.markup import Markup, element, figure, folded, section, table
from fedsilo.report.page.page_data import Material
from fedsilo.report.phrases import several
from fedsilo.report.terminal.partition_table import one_line
from fedsilo.report.terminal.run_tables import kind_of

PICTURES = {
    "partition.png": "Above: images of each client by domain. Below: its training images by class.",
    "clients.png": "Images that the clients hold.",
}
LARGEST = 2_000_000
"""Bytes of a picture beyond which it is named and not shown: the page must stay small."""

SHORT = 20
"""Rows up to which a table is not folded."""


def partition(material: Material) -> Markup:
    """Returns the pictures of the partition, and who holds what as a table."""
    manifest = material.manifest
    if manifest is None:
        return section("Partition", element("p", "The data have not been split yet."))
    scores = _scores(material.folder, manifest)
    holders = _table(manifest, scores.label_shift)
    pictures = [_picture(material.folder / name, about, manifest) for name, about in PICTURES.items()]
    return section(
        "Partition",
        element("p", f"How unlike the {one_line(scores)}."),
        pictures,
        folded("Who holds what", holders, open=len(manifest.clients) <= SHORT),
        element("p", "sha256 ", element("code", manifest.sha256), class_="faint"),
    )


def _scores(folder: Path, manifest: Manifest) -> Scores:
    """What the run has saved, or of an older or damaged one what can be known without its images."""
    with suppress(FedsiloError, OSError):
        saved = Scores.read(folder / FILE)
        if saved.split_sha256 == manifest.split_sha256:
            return saved
    return measure(manifest, None, "not saved with the run")


def _picture(path: Path, about: str, manifest: Manifest) -> Markup:
    if not path.is_file():
        return Markup()
    if path.stat().st_size > LARGEST:
        return element("p", f"{path.name} is too large for this page; it lies beside it.", class_="faint")
    alternative = f"{about} {several(len(manifest.clients), 'client')}; the table below has the numbers."
    image = element("img", src=data_uri(path.read_bytes()), alt=alternative)
    box = element("div", image, class_="scroll paper", role="region", aria_label=path.name, tabindex=0)
    return figure(box, about)


def _table(manifest: Manifest, shifts: tuple[float | None, ...]) -> Markup:
    header = ["client", "domain", "train", "test", "classes", "label shift", "most of"]
    body = [_row(manifest, client, shift) for client, shift in zip(manifest.clients, shifts, strict=True)]
    return table(header, body, "Who holds what", words=(0, 1, 6))


def _row(manifest: Manifest, client: ClientHoldings, shift: float | None) -> list[str]:
    counts = sorted(zip(client.train_classes, manifest.classes, strict=True), reverse=True)[:3]
    return [
        f"{client.number:02d}",
        kind_of(client),
        f"{len(client.train):,}",
        f"{len(client.test):,}",
        str(sum(1 for count in client.train_classes if count)),
        "" if shift is None else f"{shift:.2f}",
        ", ".join(f"{name} {count:,}" for count, name in counts if count),
    ]
