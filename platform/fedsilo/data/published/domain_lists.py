"""Split files of multi-domain sets: a file for each domain and split, a line for each image.

clipart_train.txt:  clipart/aircraft_carrier/clipart_001_000001.jpg 0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import Member, Source
from fedsilo.data.files.folder_layouts import TEST, TRAIN, spoken
from fedsilo.data.files.tree_survey import listed
from fedsilo.data.published.domain_sorting import Sorting
from fedsilo.data.published.domain_tree import Placed
from fedsilo.data.published.naming import Named, plain, positions


@dataclass(frozen=True, slots=True)
class ListFiles:
    """How the split files of a set are called.

    Attributes:
        train: Name of a domain's training list, with {} for the domain's folder.
        test: Name of its test list.
        first: The number of the first class.
        ignored: Images that are listed and known not to exist, as paths in the lists.
    """

    train: str
    test: str
    first: int = 0
    ignored: tuple[str, ...] = ()

    def names(self, domain: str) -> dict[str, str]:
        """Returns the names of a domain's files by split."""
        return {TRAIN: self.train.format(domain), TEST: self.test.format(domain)}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a split file: a path, its parts without the file's name, and the class's number from 0."""

    path: str
    folder: str
    label: int


def lines(source: Source, file: Member, files: ListFiles, get: str) -> list[Line]:
    """Returns the lines of a split file. Raises DataError when it is damaged."""
    try:
        found = [_line(text, files) for text in source.read(file.name).decode("utf-8").splitlines() if text.strip()]
    except Exception as error:  # folders, archives and text each fail in their own way
        reason = " ".join(f"{error}".split())[:200]
        raise DataError(f"{'/'.join(file.parts)}: not a list of images with class numbers: {reason}. {get}") from error
    if not found:
        raise DataError(f"{'/'.join(file.parts)}: it is empty. {get}")
    return [line for line in found if line.path not in files.ignored]


def _line(text: str, files: ListFiles) -> Line:
    path, _, number = text.strip().rpartition(" ")
    parts = path.split("/")
    label = int(number) - files.first
    if len(parts) < 3 or label < 0:
        raise ValueError(f"'{text.strip()}' is not <domain>/<class>/<file> with a number from {files.first} on")
    return Line(path, parts[-2], label)


def chosen(placed: Sequence[Placed], listed_lines: Sequence[Line], name: str, get: str) -> list[Placed]:
    """Returns the files that a list names, in its order.

    Args:
        placed: The files of the list's domain.
        listed_lines: The lines.
        name: The list's name, for messages.
        get: How to have what is missing.

    Raises:
        DataError: Some are not there; counted, some of them named.
    """
    there = {(plain(entry.folder), entry.member.parts[-1]): entry for entry in placed}
    keys = [(plain(line.folder), line.path.rpartition("/")[2]) for line in listed_lines]
    absent = [line.path for line, found in zip(listed_lines, keys, strict=True) if found not in there]
    if absent:
        raise DataError(f"data.root: {listed(f'images of {name} that are not there', absent)} {get}")
    return [there[found] for found in keys]


def folders_by_label(found: Sequence[Line], get: str) -> list[str]:
    """Returns the folder of each class number. Raises DataError when one has two, or numbers have gaps."""
    folders: dict[int, str] = {}
    for line in found:
        if plain(folders.setdefault(line.label, line.folder)) != plain(line.folder):
            raise DataError(
                f"data.root: the split files give number {line.label} to '{folders[line.label]}' and to "
                f"'{line.folder}'. {get}"
            )
    if sorted(folders) != list(range(len(folders))) or len({plain(name) for name in folders.values()}) < len(folders):
        raise DataError(
            f"data.root: the split files' class numbers must run without a gap, one for each class; there are "
            f"{len(folders)} up to {max(folders)}. {get}"
        )
    return [folders[label] for label in range(len(folders))]


def by_lists(
    found: Mapping[tuple[int, str], Sequence[Line]],
    placed: Sequence[Placed],
    domains: Sequence[int],
    classes: tuple[Named, ...],
    get: str,
) -> Sorting:
    """Returns the files as published split files sort them.

    Args:
        found: The lines by domain and split; of all domains whose files are there, since one may lack a class.
        placed: The files.
        domains: The wanted domains.
        classes: The wanted classes in label order; none for all, in the order of their numbers.
        get: How to have what is missing.

    Raises:
        DataError: The files contradict each other or name images that are not there.
    """
    folders = folders_by_label([line for part in found.values() for line in part], get)
    classes = classes or tuple(Named(spoken(folder), (folder,)) for folder in folders)
    known = positions(classes)
    unknown = [
        entry.name
        for entry in classes
        if not {plain(n) for n in (entry.name, *entry.aliases)} & set(map(plain, folders))
    ]
    if unknown:
        raise DataError(f"data.root: {listed('Classes that no split file has', unknown)} {get}")
    parts: dict[str, list[Placed]] = {TRAIN: [], TEST: []}
    for domain in domains:
        entries = [entry for entry in placed if entry.domain == domain]
        for split, part in parts.items():
            wanted = [line for line in found[domain, split] if plain(line.folder) in known]
            part += chosen(entries, wanted, f"the {split} list", get)
    return Sorting(tuple(parts[TRAIN]), tuple(parts[TEST]), classes, "its split files")
