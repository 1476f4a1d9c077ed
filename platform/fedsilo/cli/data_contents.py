"""Contents of a data set, as `fedsilo data check` prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from fedsilo.report.terminal.cells import cell

if TYPE_CHECKING:
    from fedsilo.core import Examples, LabelledImages

SHOWN = 12
"""Most class names that are printed."""


def describe_images(name: str, images: LabelledImages, decoded: int) -> dict[str, Any]:
    """Describes the contents of a data set.

    Args:
        name: Name of the data set.
        images: Its images.
        decoded: How many of them were decoded.

    Returns:
        The JSON document.
    """
    sizes = [size for part in (images.train, images.test) for size in _sizes(part)]
    return {
        "name": name,
        "classes": list(images.classes),
        "domains": [
            {
                "name": domain,
                "train": int((images.train.domains == number).sum()),
                "test": int((images.test.domains == number).sum()),
            }
            for number, domain in enumerate(images.domains)
        ],
        "train_per_class": _extremes(images.train, len(images.classes)),
        "test_per_class": _extremes(images.test, len(images.classes)),
        "template": images.template,
        "groups": len(set(images.groups)),
        "notices": list(images.notices),
        "files": len(sizes),
        "bytes": sum(sizes),
        "decoded": decoded,
    }


def _extremes(part: Examples, classes: int) -> list[int]:
    import numpy as np

    counts = np.bincount(part.labels, minlength=classes)
    return [int(counts.min()), int(counts.max())]


def _sizes(part: Examples) -> list[int]:
    """Bytes of each image file; empty where images are not single files."""
    from fedsilo.data.files.image_reading import FileImages

    if not isinstance(part.fetch, FileImages):
        return []
    return [part.fetch.source.size(name) for name in part.fetch.names]


def domains_table(document: dict[str, Any]) -> Table:
    """Draws the images of each domain.

    Args:
        document: The JSON document.

    Returns:
        A row per domain.
    """
    table = Table(title=document["name"], title_justify="left")
    for column in ("domain", "training images", "test images"):
        table.add_column(column, justify="left" if column == "domain" else "right")
    for row in document["domains"]:
        table.add_row(cell(row["name"]), f"{row['train']:,}", f"{row['test']:,}")
    return table


def describe_classes(document: dict[str, Any]) -> str:
    """Describes the classes.

    Args:
        document: The JSON document.

    Returns:
        Two lines: names of classes, and images per class.
    """
    names = document["classes"]
    rest = f", ... and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    (least, most), (fewest, top) = document["train_per_class"], document["test_per_class"]
    groups = f", in {document['groups']} superclasses" if document["groups"] else ""
    return (
        f"{len(names)} classes{groups}: {', '.join(names[:SHOWN])}{rest}\n"
        f"images of a class: {least:,} to {most:,} for training, {fewest:,} to {top:,} for testing"
    )
