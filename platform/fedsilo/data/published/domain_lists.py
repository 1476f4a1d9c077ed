"""Split files of multi-domain data sets: one file per domain and split, one line per image.

clipart_train.txt:  clipart/aircraft_carrier/clipart_001_000001.jpg 0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import Member, Source
from fedsilo.data.files.folder_layouts import TEST, TRAIN, to_prompt_name
from fedsilo.data.files.tree_survey import summarize_names
from fedsilo.data.published.domain_sorting import Sorting
from fedsilo.data.published.domain_tree import PlacedFile
from fedsilo.data.published.naming import NameWithAliases, index_names, normalize


@dataclass(frozen=True, slots=True)
class ListFiles:
    """Names of the split files of a set.

    Attributes:
        train: Name of a domain's training list, with {} for the domain's folder.
        test: Name of a domain's test list, likewise.
        first: Number of the first class.
        ignored: Paths that are listed although their images are known not to exist.
    """

    train: str
    test: str
    first: int = 0
    ignored: tuple[str, ...] = ()

    def names(self, domain: str) -> dict[str, str]:
        """Names the split files of a domain.

        Args:
            domain: Name of the domain's folder.

        Returns:
            File names by split, "train" and "test".
        """
        return {TRAIN: self.train.format(domain), TEST: self.test.format(domain)}


@dataclass(frozen=True, slots=True)
class SplitFileLine:
    """One line of a split file.

    Attributes:
        path: Path of the image.
        folder: Name of its class's folder.
        label: Class number, from 0.
    """

    path: str
    folder: str
    label: int


def read_split_file(source: Source, file: Member, files: ListFiles, get: str) -> list[SplitFileLine]:
    """Reads a split file.

    Args:
        source: Folder or archive of the set.
        file: The split file in it.
        files: How the set's split files are written.
        get: How to get the file again, for messages.

    Returns:
        Its lines, without the ignored images.

    Raises:
        DataError: The file is damaged or empty.
    """
    try:
        found = [
            _parse_line(text, files) for text in source.read(file.name).decode("utf-8").splitlines() if text.strip()
        ]
    except Exception as error:  # folders, archives and decoders raise errors of many types
        reason = " ".join(f"{error}".split())[:200]
        raise DataError(f"{'/'.join(file.parts)}: not a list of images with class numbers: {reason}. {get}") from error
    if not found:
        raise DataError(f"{'/'.join(file.parts)}: it is empty. {get}")
    return [line for line in found if line.path not in files.ignored]


def _parse_line(text: str, files: ListFiles) -> SplitFileLine:
    path, _, number = text.strip().rpartition(" ")
    parts = path.split("/")
    label = int(number) - files.first
    if len(parts) < 3 or label < 0:
        raise ValueError(f"'{text.strip()}' is not <domain>/<class>/<file> with a number from {files.first} on")
    return SplitFileLine(path, parts[-2], label)


def select_listed(
    placed: Sequence[PlacedFile], listed_lines: Sequence[SplitFileLine], name: str, get: str
) -> list[PlacedFile]:
    """Selects the files that a list names.

    Args:
        placed: Files of the list's domain.
        listed_lines: Lines of the list.
        name: Name of the list, for messages.
        get: How to get missing images, for messages.

    Returns:
        The files, in the order of the list.

    Raises:
        DataError: Images are missing; the message has their number and some of their names.
    """
    there = {(normalize(entry.folder), entry.member.parts[-1]): entry for entry in placed}
    keys = [(normalize(line.folder), line.path.rpartition("/")[2]) for line in listed_lines]
    absent = [line.path for line, found in zip(listed_lines, keys, strict=True) if found not in there]
    if absent:
        raise DataError(f"data.root: {summarize_names(f'missing images of {name}', absent)} {get}")
    return [there[found] for found in keys]


def match_folders_to_labels(found: Sequence[SplitFileLine], get: str) -> list[str]:
    """Finds the folder of each class number.

    Args:
        found: Lines of all split files.
        get: How to get the split files again, for messages.

    Returns:
        (classes,) folder names in label order.

    Raises:
        DataError: A class number has two folders, or the numbers have gaps.
    """
    folders: dict[int, str] = {}
    for line in found:
        if normalize(folders.setdefault(line.label, line.folder)) != normalize(line.folder):
            raise DataError(
                f"data.root: the split files give number {line.label} to '{folders[line.label]}' and to "
                f"'{line.folder}'. {get}"
            )
    if sorted(folders) != list(range(len(folders))) or len({normalize(name) for name in folders.values()}) < len(
        folders
    ):
        raise DataError(
            f"data.root: the split files' class numbers must run without a gap, one for each class; there are "
            f"{len(folders)} up to {max(folders)}. {get}"
        )
    return [folders[label] for label in range(len(folders))]


def sort_by_lists(
    found: Mapping[tuple[int, str], Sequence[SplitFileLine]],
    placed: Sequence[PlacedFile],
    domains: Sequence[int],
    classes: tuple[NameWithAliases, ...],
    get: str,
) -> Sorting:
    """Splits the files of a set by its published split files.

    Args:
        found: Lines by domain and split, of all domains with files on disk, since a single domain may lack a class.
        placed: Image files of the set.
        domains: Numbers of the wanted domains.
        classes: Wanted classes in label order; empty for all classes, in the order of their numbers.
        get: How to get missing files, for messages.

    Returns:
        The files by split.

    Raises:
        DataError: The split files contradict each other or name missing images.
    """
    folders = match_folders_to_labels([line for part in found.values() for line in part], get)
    classes = classes or tuple(NameWithAliases(to_prompt_name(folder), (folder,)) for folder in folders)
    known = index_names(classes)
    unknown = [
        entry.name
        for entry in classes
        if not {normalize(n) for n in (entry.name, *entry.aliases)} & set(map(normalize, folders))
    ]
    if unknown:
        raise DataError(f"data.root: {summarize_names('Classes without a line in any split file', unknown)} {get}")
    parts: dict[str, list[PlacedFile]] = {TRAIN: [], TEST: []}
    for domain in domains:
        entries = [entry for entry in placed if entry.domain == domain]
        for split, part in parts.items():
            wanted = [line for line in found[domain, split] if normalize(line.folder) in known]
            part += select_listed(entries, wanted, f"the {split} list", get)
    return Sorting(tuple(parts[TRAIN]), tuple(parts[TEST]), classes, "its split files")
