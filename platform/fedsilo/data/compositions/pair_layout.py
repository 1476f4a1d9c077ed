"""The field's layout of compositions on disk, in a folder or a zip.

    images/<path>
    compositional-split-natural/train_pairs.txt, val_pairs.txt, test_pairs.txt
    metadata_compositional-split-natural.t7, or metadata.csv

Source of the layout: the loaders of https://github.com/ExplainableML/czsl, which later work reads too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np

from fedsilo.core import Examples
from fedsilo.core.errors import DataError
from fedsilo.data.compositions.metadata_rows import GREATEST, MetadataRow, parse_csv, parse_t7
from fedsilo.data.compositions.pair_lists import SPLITS, PairLists, PairName, parse_pairs
from fedsilo.data.files.file_sources import Listing, Source, open_source
from fedsilo.data.files.tree_survey import summarize_names
from fedsilo.data.files.user_paths import expand
from fedsilo.data.published.labelled_images import compute_digests, make_examples

LISTS_FOLDER = "compositional-split-natural"
CSV, T7 = "metadata.csv", f"metadata_{LISTS_FOLDER}.t7"
IMAGES = "images"


@dataclass(frozen=True)
class PairFolder:
    """Files of a set of compositions.

    Attributes:
        source: The folder or the zip.
        listing: Its content.
        home: Folders from the source's root to the set.
        shown: The set's folder, for messages.
    """

    source: Source
    listing: Listing
    home: tuple[str, ...]
    shown: str

    @cached_property
    def files(self) -> dict[tuple[str, ...], str]:
        """Maps the parts of each file below the set's folder to its name in the source."""
        depth = len(self.home)
        return {file.parts[depth:]: file.name for file in self.listing.files if file.parts[:depth] == self.home}

    @cached_property
    def has_lists(self) -> bool:
        """Whether there is a list of pairs."""
        return any(parts[0] == LISTS_FOLDER for parts in self.files)

    @cached_property
    def metadata(self) -> str:
        """Name of the metadata file, metadata.csv first; "" if there is none."""
        return next((name for name in (CSV, T7) if (name,) in self.files), "")

    def read_lists(self) -> PairLists:
        """Reads the lists of pairs.

        Returns:
            The lists.

        Raises:
            DataError: A list is missing, is not UTF-8 or has a line that is not a pair.
        """
        names = {split: f"{split}_pairs.txt" for split in SPLITS}
        lacking = [name for name in names.values() if (LISTS_FOLDER, name) not in self.files]
        if lacking:
            empty = " It may be empty." if lacking == [names["val"]] else ""
            raise DataError(f"data.root: {self.shown}/{LISTS_FOLDER} lacks {', '.join(lacking)}. Add it.{empty}")
        return PairLists(
            *(parse_pairs(self._text((LISTS_FOLDER, name)), self.name(LISTS_FOLDER, name)) for name in names.values())
        )

    def read_metadata(self) -> tuple[MetadataRow, ...]:
        """Reads the metadata of the images.

        Returns:
            One row per image.

        Raises:
            DataError: There is no such file, or it is damaged.
        """
        if not self.metadata:
            raise DataError(f"data.root: {self.shown} lacks {T7} or {CSV}. Add one of them.")
        if self.metadata == CSV:
            return parse_csv(self._text((CSV,)), self.name(CSV))
        name = self.files[(T7,)]
        size = self.source.size(name)
        if size > GREATEST:
            raise DataError(f"{self.name(T7)}: {size:,} bytes, at most {GREATEST:,} are read. Is it the right file?")
        return parse_t7(self.source.read(name), self.name(T7))

    def name(self, *parts: str) -> str:
        """Names a file for messages.

        Args:
            *parts: Its path below the set's folder.

        Returns:
            Its full path.
        """
        return "/".join((self.shown, *parts))

    def make_splits(self, rows: Sequence[MetadataRow], labels: Mapping[PairName, int], get: str) -> dict[str, Examples]:
        """Makes the examples of each split; the bytes of every image are read once.

        Args:
            rows: The images.
            labels: The label of each pair.
            get: How to get missing images, for messages.

        Returns:
            Examples by split, in the order of the rows; domain 0.

        Raises:
            DataError: Images are missing or cannot be read.
        """
        names = self._find_images(rows, get)
        digests = compute_digests(self.source, names, self.shown, self.metadata, get)
        found = {}
        for split in SPLITS:
            places = [place for place, row in enumerate(rows) if row.split == split]
            found[split] = make_examples(
                self.source,
                [names[place] for place in places],
                np.array([labels[rows[place].pair] for place in places], dtype=np.int64),
                [digests[place] for place in places],
            )
        return found

    def _find_images(self, rows: Sequence[MetadataRow], get: str) -> list[str]:
        """Names of the images in the source. Folders may have blanks where the metadata has underscores."""
        alike = {_fold(parts): name for parts, name in self.files.items()}
        names, missing = [], []
        for row in rows:
            parts = PurePosixPath(row.path).parts
            places = [(IMAGES, *parts), parts] if parts[:1] == (IMAGES,) else [(IMAGES, *parts)]
            found = [self.files.get(place) or alike.get(_fold(place)) for place in places]
            name = next(filter(None, found), None)
            names.append(name or "")
            if name is None:
                missing.append(f"{row.path} ({row.place})")
        if missing:
            what = f"data.root: {self.shown}/{IMAGES} lacks images of {self.metadata}"
            raise DataError(f"{summarize_names(what, missing)} {get}")
        self._check_spellings(rows, names)
        return names

    def _check_spellings(self, rows: Sequence[MetadataRow], names: Sequence[str]) -> None:
        """Refuses rows that name one file in different ways: it would have two pairs, or be in two sets."""
        first: dict[str, MetadataRow] = {}
        found = []
        for row, name in zip(rows, names, strict=True):
            other = first.setdefault(name, row)
            if other.path != row.path:
                found.append(f"{other.path} ({other.place}) = {row.path} ({row.place})")
        if found:
            what = f"{self.name(self.metadata)}: images that are listed under two spellings"
            raise DataError(f"{summarize_names(what, found)} Keep one line of each.")

    def _text(self, parts: tuple[str, ...]) -> str:
        try:
            return self.source.read(self.files[parts]).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.name(*parts)}: byte {error.start:,} is not UTF-8. Save the file as UTF-8."
            ) from error


def find_pair_folder(root: str, homes: Sequence[str] = ()) -> PairFolder | None:
    """Finds a set's folder: the root itself, one of some folders in it, or the only folder in it.

    Args:
        root: A folder or a zip.
        homes: Names that the set's folder may have.

    Returns:
        The folder; None if none of them has lists of pairs or metadata.

    Raises:
        DataError: There is no folder and no readable zip.
    """
    source = open_source(root)
    listing = source.listing()
    tops = sorted({file.parts[0] for file in listing.files if len(file.parts) > 1})
    candidates = [(), *((home,) for home in homes if home in tops), *((top,) for top in tops if len(tops) == 1)]
    for home in candidates:
        folder = PairFolder(source, listing, home, "/".join((str(expand(root)), *home)))
        if folder.has_lists or folder.metadata:
            return folder
    return None


def _fold(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.replace(" ", "_") for part in parts)
