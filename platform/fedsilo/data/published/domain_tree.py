"""Image files of a multi-domain data set, with the domain, class and split that their folders name.

    <domain>/<class>/*               train|test/<domain>/<class>/*
    <domain>/train|test/<class>/*    <domain>/train_images|test_images/<n>_<class>.png

There may be any folders around them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import FolderSource, Member, Source, ZipSource, open_source
from fedsilo.data.files.folder_layouts import SUFFIXES, TEST, TRAIN
from fedsilo.data.files.user_paths import expand
from fedsilo.data.published.naming import normalize

SPLITS = {
    **dict.fromkeys(("train", "training", "trainimages", "crossval", "val", "validation"), TRAIN),
    **dict.fromkeys(("test", "testing", "testimages"), TEST),
}
"""Folder names of splits. Validation images, which serve to choose a model, count as training images."""


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """One image file.

    Attributes:
        member: The file.
        domain: Number of its domain.
        folder: Name of its class's folder, or the class in its file name.
        split: "train", "test", or "" where no folder names a split.
    """

    member: Member
    domain: int
    folder: str
    split: str


def locate(root: str, folders: Sequence[str], domains: Mapping[str, int], get: str) -> Source:
    """Finds a data set: a folder or a zip below the root, or the root itself.

    Args:
        root: Root folder, or a zip.
        folders: Names that the set's folder may have.
        domains: Number of each domain by its normalized names.
        get: How to get the set, for messages.

    Returns:
        The folder or archive.

    Raises:
        DataError: The set is not there.
    """
    path = expand(root)
    if not path.is_dir():
        if path.exists():
            return open_source(root)
    else:
        for name in folders:
            if (path / name).is_dir():
                return FolderSource(str(path / name))
            if (path / f"{name}.zip").is_file():
                return ZipSource(str(path / f"{name}.zip"))
        if _holds(path, domains):
            return FolderSource(str(path))
    raise DataError(
        f"data.root: there is no folder '{folders[0]}' in '{root}' (looked for {path / folders[0]}), and it is itself "
        f"no folder or zip of <domain>/<class>/*. {get}"
    )


def _holds(path: Path, domains: Mapping[str, int]) -> bool:
    """Whether a folder contains a domain's folder, directly or one level down; deeper levels are not searched."""
    inside = [entry for entry in path.iterdir() if entry.is_dir()]
    below = (entry for folder in inside for entry in folder.iterdir() if entry.is_dir())
    return any(normalize(entry.name) in domains for entry in (*inside, *below))


def place_file(member: Member, domains: Mapping[str, int], in_name: bool) -> PlacedFile | None:
    """Reads domain, class and split of a file from its folders.

    Args:
        member: The file.
        domains: Number of each domain by its normalized names.
        in_name: Whether the file name may end with the class, after the last underscore.

    Returns:
        The placed file, or None if it is not an image of the set.
    """
    *folders, name = member.parts
    stem, dot, suffix = name.rpartition(".")
    if not stem or (dot + suffix).lower() not in SUFFIXES:
        return None
    for depth, folder in enumerate(folders):
        if normalize(folder) not in domains:
            continue
        before, after = SPLITS.get(normalize(folders[depth - 1]), "") if depth else "", folders[depth + 1 :]
        if after and normalize(after[0]) in SPLITS and (len(after) == 2 or (in_name and len(after) == 1)):
            before, after = SPLITS[normalize(after[0])], after[1:]
        if not after and in_name and before:
            after = [stem.rpartition("_")[2]]
        if len(after) == 1:
            return PlacedFile(member, domains[normalize(folder)], after[0], before)
    return None
