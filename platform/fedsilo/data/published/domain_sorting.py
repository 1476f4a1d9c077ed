"""From image files with a domain and a class to examples in two splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedsilo.core import Examples, Indices
from fedsilo.core.errors import DataError
from fedsilo.data import train_test_split as holdout
from fedsilo.data.files.file_sources import Source
from fedsilo.data.files.folder_layouts import TEST, TRAIN, spoken
from fedsilo.data.files.tree_survey import listed
from fedsilo.data.published.domain_tree import Placed
from fedsilo.data.published.labelled_images import digests_of, examples, leaks
from fedsilo.data.published.naming import Named, in_published_order, plain, positions


@dataclass(frozen=True, slots=True)
class Sorting:
    """The image files of a set by split.

    Attributes:
        train: To learn from; all, where the test is to be drawn.
        test: To be measured on; empty where it is to be drawn.
        classes: The classes in label order.
        origin: What said so, for people.
        left_out: Folders that are no class of the set.
    """

    train: tuple[Placed, ...]
    test: tuple[Placed, ...]
    classes: tuple[Named, ...]
    origin: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holding:
    """How a test split is drawn where there is none, and how to have images that are not there."""

    fraction: float
    generator: np.random.Generator
    get: str


def by_folders(placed: Sequence[Placed], classes: tuple[Named, ...], published: bool) -> Sorting:
    """Returns the files as their folders sort them.

    Args:
        placed: The files.
        classes: The wanted classes in label order; none for all folders, in the published order.
        published: Whether folders that say a split are heeded.
    """
    classes = classes or tuple(
        Named(spoken(folder), (folder,)) for folder in in_published_order({entry.folder for entry in placed})
    )
    known = positions(classes)
    entries = [entry for entry in placed if plain(entry.folder) in known]
    left_out = tuple(sorted({entry.folder for entry in placed} - {entry.folder for entry in entries}))
    entries.sort(key=lambda entry: entry.domain)
    parts = {split: tuple(entry for entry in entries if entry.split == split) for split in (TRAIN, TEST)}
    if published and all(parts.values()) and len(parts[TRAIN]) + len(parts[TEST]) == len(entries):
        return Sorting(parts[TRAIN], parts[TEST], classes, "its train and test folders", left_out)
    return Sorting(tuple(entries), (), classes, "its folders", left_out)


def parted(
    source: Source, sorting: Sorting, domains: Sequence[int], holding: Holding
) -> tuple[Examples, Examples, list[str]]:
    """Returns training and test examples, and what should be known of them.

    Args:
        source: Where the files are.
        sorting: Which they are.
        domains: The wanted domains; an example's domain is the place of its own among them.
        holding: How a test is drawn.

    Raises:
        DataError: An image cannot be read, or a split is left without one.
    """
    entries = (*sorting.train, *sorting.test)
    known, number = positions(sorting.classes), {domain: place for place, domain in enumerate(domains)}
    labels = np.array([known[plain(entry.folder)] for entry in entries], dtype=np.int64)
    at = np.array([number[entry.domain] for entry in entries], dtype=np.int64)
    names = [entry.member.name for entry in entries]
    digests = digests_of(source, names, "the set", sorting.origin, holding.get)
    held = np.arange(len(entries)) >= len(sorting.train)
    if not sorting.test:
        held = holdout.held_out(at * len(sorting.classes) + labels, digests, holding.fraction, holding.generator)
    if held.all() or not held.any():
        raise DataError(f"data.root: no image is left for {TRAIN if held.all() else TEST}. {holding.get}")

    def part(places: Indices) -> Examples:
        chosen = [names[place] for place in places], labels[places], [digests[place] for place in places]
        return examples(source, *chosen, domains=at[places])

    train, test = part(np.flatnonzero(~held)), part(np.flatnonzero(held))
    left_out = [listed("Folders that are no class of the set are left out", sorting.left_out)]
    return train, test, [*(left_out if sorting.left_out else []), *leaks(train, test)]


def gaps(train: Examples, test: Examples, classes: Sequence[str], domains: Sequence[str]) -> list[str]:
    """A line on classes that have no image in some domain or split."""
    lacking = []
    for number, domain in enumerate(domains):
        for split, part in ((TRAIN, train), (TEST, test)):
            present = set(part.labels[part.domains == number].tolist())
            lacking += [f"{name} in {domain} ({split})" for label, name in enumerate(classes) if label not in present]
    return [listed("Classes without an image in a split or domain", lacking)] if lacking else []
