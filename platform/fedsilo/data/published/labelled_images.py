"""Lists of images with their labels: what a split file or a folder of annotations comes to."""

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
from fedsilo.data.files.tree_survey import listed

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Row:
    """One image: its path from the images' folder, its class and the class's name."""

    path: str
    label: int
    name: str


@dataclass(frozen=True, slots=True)
class Lists:
    """The images of a set.

    Attributes:
        train: Images to learn from; all images where the set has no split.
        test: Images to be measured on; empty where the set has no split.
        origin: Where this was read, for messages.
        unused: Images that belong to neither.
    """

    train: tuple[Row, ...]
    test: tuple[Row, ...]
    origin: str
    unused: tuple[Row, ...] = ()


def row(path: Any, label: Any, name: Any) -> Row:
    """Returns the row of three values. Raises ValueError when they are not a safe path, a label and a name."""
    sound = isinstance(path, str) and isinstance(name, str) and type(label) is int and label >= 0 and name.strip()
    if not sound or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"[{path!r}, {label!r}, {name!r}] is not [path, label, class name]")
    return Row(path, label, name)


def image_rows(folder: Path, classes: Sequence[tuple[str, str]]) -> tuple[Row, ...]:
    """Returns a row for every image of some class folders, in sorted order.

    Args:
        folder: The folder that holds them.
        classes: Name of each class's folder, and the class's name, in label order.

    Raises:
        FileNotFoundError: A class has no folder or no image; all such are named.
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


def read(file: Path, parse: Callable[[Path], Value], what: str, get: str) -> Value:
    """Returns what a file of annotations holds.

    Args:
        file: The file.
        parse: Reads it; whatever it raises means that the file is not what it should be.
        what: What it should be, for example "a list of images".
        get: How to have it again.

    Raises:
        DataError: It cannot be read or is damaged; one line.
    """
    try:
        return parse(file)
    # A damaged file fails in its own way in each format: json, text, Matlab's, and in what is expected of it.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())[:200]
        raise DataError(f"{file}: not {what}: {reason}. {get}") from error


def class_names(rows: Iterable[Row], origin: str, get: str) -> list[str]:
    """Returns the class names in label order. Raises DataError when labels have gaps or two names."""
    names: dict[int, str] = {}
    for entry in rows:
        if names.setdefault(entry.label, entry.name) != entry.name:
            raise DataError(f"{origin}: label {entry.label} is both '{names[entry.label]}' and '{entry.name}'. {get}")
    if sorted(names) != list(range(len(names))) or len(names) < 2:
        last = f"up to {max(names)}" if names else "in all"
        raise DataError(f"{origin}: labels must run from 0 without a gap, and there are {len(names)} {last}. {get}")
    return [names[label] for label in range(len(names))]


def digests_of(source: Source, names: Sequence[str], root: str, origin: str, get: str) -> tuple[str, ...]:
    """Returns the digest of every image's bytes.

    Args:
        source: Where they are.
        names: Which.
        root: The folder or archive, for messages.
        origin: What lists them, for messages.
        get: How to have them.

    Raises:
        DataError: Some cannot be read; counted, some of them named.
    """
    findings = inspect(source, names, pixels=False)
    faults = [f"{name} ({found.fault})" for name, found in zip(names, findings, strict=True) if found.fault]
    if faults:
        raise DataError(f"data.root: {listed(f'images of {origin} that cannot be had from {root}', faults)} {get}")
    return tuple(found.digest for found in findings)


def examples(
    source: Source, names: Sequence[str], labels: Indices, digests: Sequence[str], domains: Indices | None = None
) -> Examples:
    """Returns the examples of some image files; one domain unless they are given."""
    fetch = FileImages(source, tuple(names), tuple(digests))
    return Examples(labels, np.zeros_like(labels) if domains is None else domains, fetch, tuple(digests))


def leaks(train: Examples, test: Examples) -> list[str]:
    """A line on images that are in both splits, byte for byte: the split may be published so, but should be known."""
    names = {digest: number for number, digest in enumerate(train.digests)}
    found = [number for number, digest in enumerate(test.digests) if digest in names]
    fetch = test.fetch
    if not found or not isinstance(fetch, FileImages):
        return []
    return [listed("Images that are byte for byte both in training and in test", [fetch.names[i] for i in found])]
