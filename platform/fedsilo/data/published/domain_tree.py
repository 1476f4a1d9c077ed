"""The image files of a multi-domain set: which domain, class and split each one's folders say.

    <domain>/<class>/*               train|test/<domain>/<class>/*
    <domain>/train|test/<class>/*    <domain>/train_images|test_images/<n>_<class>.png

after any folders around them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import FolderSource, Member, Source, ZipSource, expand, open_source
from fedsilo.data.files.folder_layouts import SUFFIXES, TEST, TRAIN
from fedsilo.data.published.naming import plain

SPLITS = {
    **dict.fromkeys(("train", "training", "trainimages", "crossval", "val", "validation"), TRAIN),
    **dict.fromkeys(("test", "testing", "testimages"), TEST),
}
"""Folders that say a split. Held-out images of a validation set are for choosing a model: they count as training."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One image file.

    Attributes:
        member: The file.
        domain: Place of its domain.
        folder: Name of its class's folder, or of its class in the file's name.
        split: "train", "test", or "" where no folder says.
    """

    member: Member
    domain: int
    folder: str
    split: str


def locate(root: str, folders: Sequence[str], domains: Mapping[str, int], get: str) -> Source:
    """Returns where a set lies: some folder or zip below the root, or the root itself.

    Raises:
        DataError: It is nowhere there; one line.
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
    """Whether a folder has a domain's folder in it, or one level down: it is not walked for more."""
    inside = [entry for entry in path.iterdir() if entry.is_dir()]
    below = (entry for folder in inside for entry in folder.iterdir() if entry.is_dir())
    return any(plain(entry.name) in domains for entry in (*inside, *below))


def place(member: Member, domains: Mapping[str, int], in_name: bool) -> Placed | None:
    """Returns what a file's folders say of it, or None when they are not those of an image of the set.

    Args:
        member: The file.
        domains: Place of each domain by its plain names.
        in_name: Whether a file may say its class in its name, after the last underscore.
    """
    *folders, name = member.parts
    stem, dot, suffix = name.rpartition(".")
    if not stem or (dot + suffix).lower() not in SUFFIXES:
        return None
    for depth, folder in enumerate(folders):
        if plain(folder) not in domains:
            continue
        before, after = SPLITS.get(plain(folders[depth - 1]), "") if depth else "", folders[depth + 1 :]
        if after and plain(after[0]) in SPLITS and (len(after) == 2 or (in_name and len(after) == 1)):
            before, after = SPLITS[plain(after[0])], after[1:]
        if not after and in_name and before:
            after = [stem.rpartition("_")[2]]
        if len(after) == 1:
            return Placed(member, domains[plain(folder)], after[0], before)
    return None
