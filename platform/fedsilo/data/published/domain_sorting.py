"""From image files with a domain and a class to training and test examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedsilo.core import Examples, Indices
from fedsilo.core.errors import DataError
from fedsilo.data import train_test_split
from fedsilo.data.files.file_sources import Source
from fedsilo.data.files.folder_layouts import TEST, TRAIN, to_prompt_name
from fedsilo.data.files.tree_survey import summarize_names
from fedsilo.data.published.domain_tree import PlacedFile
from fedsilo.data.published.labelled_images import compute_digests, make_examples, report_leaks
from fedsilo.data.published.naming import NameWithAliases, index_names, normalize, sort_as_published


@dataclass(frozen=True, slots=True)
class Sorting:
    """Image files of a set by split.

    Attributes:
        train: Training images; all images where the test split is to be drawn.
        test: Test images; empty where the test split is to be drawn.
        classes: Classes in label order.
        origin: Where the split comes from, for messages.
        left_out: Folders that are no class of the set.
    """

    train: tuple[PlacedFile, ...]
    test: tuple[PlacedFile, ...]
    classes: tuple[NameWithAliases, ...]
    origin: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RandomTestSplit:
    """How to draw a test split for a set without one.

    Attributes:
        fraction: Fraction of each class and domain for testing, in (0, 1).
        generator: Random generator of the draw.
        get: How to get missing images, for messages.
    """

    fraction: float
    generator: np.random.Generator
    get: str


def sort_by_folders(placed: Sequence[PlacedFile], classes: tuple[NameWithAliases, ...], published: bool) -> Sorting:
    """Splits the files of a set by the names of their folders.

    Args:
        placed: Image files of the set.
        classes: Wanted classes in label order; empty for all folders, in the published order.
        published: Whether to use folders named after a split; False: the test split is to be drawn.

    Returns:
        The files by split.
    """
    classes = classes or tuple(
        NameWithAliases(to_prompt_name(folder), (folder,))
        for folder in sort_as_published({entry.folder for entry in placed})
    )
    known = index_names(classes)
    entries = [entry for entry in placed if normalize(entry.folder) in known]
    left_out = tuple(sorted({entry.folder for entry in placed} - {entry.folder for entry in entries}))
    entries.sort(key=lambda entry: entry.domain)
    parts = {split: tuple(entry for entry in entries if entry.split == split) for split in (TRAIN, TEST)}
    if published and all(parts.values()) and len(parts[TRAIN]) + len(parts[TEST]) == len(entries):
        return Sorting(parts[TRAIN], parts[TEST], classes, "its train and test folders", left_out)
    return Sorting(tuple(entries), (), classes, "its folders", left_out)


def make_splits(
    source: Source, sorting: Sorting, domains: Sequence[int], drawing: RandomTestSplit
) -> tuple[Examples, Examples, list[str]]:
    """Makes training and test examples of sorted files.

    Args:
        source: Folder or archive of the set.
        sorting: The files by split.
        domains: Numbers of the wanted domains; an example's domain is the index of its domain in this list.
        drawing: How to draw a test split where there is none.

    Returns:
        Training examples, test examples, and notices for the user.

    Raises:
        DataError: An image cannot be read, or a split has no image.
    """
    entries = (*sorting.train, *sorting.test)
    known, number = index_names(sorting.classes), {domain: place for place, domain in enumerate(domains)}
    labels = np.array([known[normalize(entry.folder)] for entry in entries], dtype=np.int64)
    at = np.array([number[entry.domain] for entry in entries], dtype=np.int64)
    names = [entry.member.name for entry in entries]
    digests = compute_digests(source, names, "the set", sorting.origin, drawing.get)
    held = np.arange(len(entries)) >= len(sorting.train)
    if not sorting.test:
        held = train_test_split.draw_held_out(
            at * len(sorting.classes) + labels, digests, drawing.fraction, drawing.generator
        )
    if held.all() or not held.any():
        raise DataError(f"data.root: no image is left for {TRAIN if held.all() else TEST}. {drawing.get}")

    def part(places: Indices) -> Examples:
        chosen = [names[place] for place in places], labels[places], [digests[place] for place in places]
        return make_examples(source, *chosen, domains=at[places])

    train, test = part(np.flatnonzero(~held)), part(np.flatnonzero(held))
    left_out = [summarize_names("Folders that are no class of the set are left out", sorting.left_out)]
    return train, test, [*(left_out if sorting.left_out else []), *report_leaks(train, test)]


def report_gaps(train: Examples, test: Examples, classes: Sequence[str], domains: Sequence[str]) -> list[str]:
    """Reports classes that have no image in some domain or split.

    Args:
        train: Training examples.
        test: Test examples.
        classes: Class names in label order.
        domains: Domain names in domain order.

    Returns:
        One notice; empty if every class has images everywhere.
    """
    lacking = []
    for number, domain in enumerate(domains):
        for split, part in ((TRAIN, train), (TEST, test)):
            present = set(part.labels[part.domains == number].tolist())
            lacking += [f"{name} in {domain} ({split})" for label, name in enumerate(classes) if label not in present]
    return [summarize_names("Classes without an image in a split or domain", lacking)] if lacking else []
