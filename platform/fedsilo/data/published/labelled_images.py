"""Lists of images with labels, as read from a split file or from annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np

from fedsilo.core import Examples, Indices
from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import Source
from fedsilo.data.files.image_reading import FileImages, inspect
from fedsilo.data.files.tree_survey import summarize_names

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Row:
    """One image.

    Attributes:
        path: Path from the folder of images.
        label: Class number, from 0.
        name: Class name.
    """

    path: str
    label: int
    name: str


@dataclass(frozen=True, slots=True)
class Lists:
    """Images of a set by split.

    Attributes:
        train: Training images; all images where the set has no split.
        test: Test images; empty where the set has no split.
        origin: File that this was read from, for messages.
        unused: Images that belong to neither.
    """

    train: tuple[Row, ...]
    test: tuple[Row, ...]
    origin: str
    unused: tuple[Row, ...] = ()


def make_row(path: Any, label: Any, name: Any) -> Row:
    """Makes a row from three decoded values.

    Args:
        path: Relative path that does not leave the folder.
        label: Class number, >= 0.
        name: Class name, not empty.

    Returns:
        The row.

    Raises:
        ValueError: A value is not of that kind.
    """
    sound = isinstance(path, str) and isinstance(name, str) and type(label) is int and label >= 0 and name.strip()
    if not sound or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"[{path!r}, {label!r}, {name!r}] is not [path, label, class name]")
    return Row(path, label, name)


def list_class_images(folder: Path, classes: Sequence[tuple[str, str]]) -> tuple[Row, ...]:
    """Lists the images in class folders.

    Args:
        folder: Folder that holds the class folders.
        classes: (folder name, class name) of each class, in label order.

    Returns:
        One row per .jpg file, in sorted order inside each class.

    Raises:
        FileNotFoundError: Classes have no folder or no image; the message names all of them.
    """
    found = [sorted((folder / path).glob("*.jpg")) for path, _ in classes]
    lacking = [path for (path, _), files in zip(classes, found, strict=True) if not files]
    if lacking:
        raise FileNotFoundError(f"no image of {', '.join(lacking)} in {folder}")
    return tuple(
        Row(f"{path}/{file.name}", label, name)
        for label, ((path, name), files) in enumerate(zip(classes, found, strict=True))
        for file in files
    )


def read_annotations(file: Path, parse: Callable[[Path], Value], what: str, get: str) -> Value:
    """Reads a file of annotations, and turns every error into one line.

    Args:
        file: The file.
        parse: Reads it; any error that it raises means that the file is damaged.
        what: Expected content, for example "a list of images".
        get: How to get the file again, for messages.

    Returns:
        What `parse` returns.

    Raises:
        DataError: The file cannot be read or is damaged.
    """
    try:
        return parse(file)
    # Damaged files raise errors of many types: from json, text, Matlab's format and the code that reads the content.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
        raise DataError(f"{file}: not {what}: {reason}. {get}") from error


def order_class_names(rows: Iterable[Row], origin: str, get: str) -> list[str]:
    """Collects the class names of labelled rows.

    Args:
        rows: Rows of all splits.
        origin: File that lists them, for messages.
        get: How to get it again, for messages.

    Returns:
        (classes,) names in label order.

    Raises:
        DataError: The labels have gaps, or a label has two names.
    """
    names: dict[int, str] = {}
    for entry in rows:
        if names.setdefault(entry.label, entry.name) != entry.name:
            raise DataError(f"{origin}: label {entry.label} is both '{names[entry.label]}' and '{entry.name}'. {get}")
    if sorted(names) != list(range(len(names))) or len(names) < 2:
        last = f"up to {max(names)}" if names else "in all"
        raise DataError(f"{origin}: labels must run from 0 without a gap, and there are {len(names)} {last}. {get}")
    return [names[label] for label in range(len(names))]


def compute_digests(source: Source, names: Sequence[str], root: str, origin: str, get: str) -> tuple[str, ...]:
    """Computes the digest of the bytes of every image.

    Args:
        source: Folder or archive of the images.
        names: (n,) names of the files in it.
        root: The folder or archive, for messages.
        origin: File that lists the images, for messages.
        get: How to get missing images, for messages.

    Returns:
        (n,) digests.

    Raises:
        DataError: Images cannot be read; the message has their number and some of their names.
    """
    findings = inspect(source, names, pixels=False)
    faults = [f"{name} ({found.fault})" for name, found in zip(names, findings, strict=True) if found.fault]
    if faults:
        raise DataError(
            f"data.root: {summarize_names(f'images of {origin} that cannot be read from {root}', faults)} {get}"
        )
    return tuple(found.digest for found in findings)


def make_examples(
    source: Source, names: Sequence[str], labels: Indices, digests: Sequence[str], domains: Indices | None = None
) -> Examples:
    """Makes examples of image files.

    Args:
        source: Folder or archive of the images.
        names: (n,) names of the files in it.
        labels: (n,) class of each image.
        digests: (n,) digest of each image.
        domains: (n,) domain of each image; None: one domain for all.

    Returns:
        The examples.
    """
    fetch = FileImages(source, tuple(names), tuple(digests))
    return Examples(labels, np.zeros_like(labels) if domains is None else domains, fetch, tuple(digests))


def report_leaks(train: Examples, test: Examples) -> list[str]:
    """Reports images that are in both splits, byte for byte. The split may be published so, but the user should know.

    Args:
        train: Training examples.
        test: Test examples.

    Returns:
        One notice; empty if there are no such images.
    """
    names = {digest: number for number, digest in enumerate(train.digests)}
    found = [number for number, digest in enumerate(test.digests) if digest in names]
    fetch = test.fetch
    if not found or not isinstance(fetch, FileImages):
        return []
    return [
        summarize_names("Images that are byte for byte both in training and in test", [fetch.names[i] for i in found])
    ]
