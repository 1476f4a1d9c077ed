"""Layout and split file of CoOp's data sets on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedsilo.core.errors import DataError
from fedsilo.data.published.labelled_images import Row, make_row, read_annotations

GUIDE = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"
FETCH_AGAIN = f"Fetch it again ({GUIDE})."
LISTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class CoopLayout:
    """Location of a set's files below the root.

    Attributes:
        homes: Folders that may hold the set: CoOp's first, then torchvision's.
        images: Folder in it where image paths start; "" for the set's folder itself.
        split: CoOp's split file in it.
        own: Files in it from which the set's own split is read; empty where torchvision does not have these images.
        beside: Other files that CoOp's split needs.
        coop_images: Number of images in CoOp's split if it leaves some out; 0 if it has all.
    """

    homes: tuple[str, ...]
    images: str
    split: str
    own: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    coop_images: int = 0

    @property
    def coop(self) -> tuple[str, ...]:
        """All files from which CoOp's split is read."""
        return (self.split, *self.beside)

    def find_absent(self, home: Path, files: Sequence[str]) -> list[str]:
        """Lists files that are missing or empty.

        Args:
            home: The set's folder.
            files: Paths of files in it.

        Returns:
            The missing ones of `files`, and the folder of images if that is missing.
        """
        absent = [name for name in files if not (home / name).exists() or not (home / name).stat().st_size]
        images = self.images
        return [*absent, *([f"{images}/"] if images and not (home / images).is_dir() else [])]


def read_split_rows(file: Path, split: str) -> tuple[Row, ...]:
    """Reads one list of CoOp's split file.

    Args:
        file: The split file.
        split: Name of the list, one of `LISTS`.

    Returns:
        One row per image.

    Raises:
        DataError: The file is damaged, or the list is empty and not "val".
    """

    def parse(file: Path) -> tuple[Row, ...]:
        return tuple(make_row(*entry) for entry in json.loads(file.read_text(encoding="utf-8"))[split])

    rows = read_annotations(file, parse, f"a split file of CoOp: {split}", FETCH_AGAIN)
    if not rows and split != "val":
        raise DataError(f"{file}: its list '{split}' is empty. {FETCH_AGAIN}")
    return rows
