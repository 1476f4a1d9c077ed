"""Metadata of compositions: which pair and which split an image has.

    metadata_compositional-split-natural.t7    a list of {image, attr, obj, set}; other keys are not read
    metadata.csv                               the columns image, attr, obj, set; other columns are not read

An image whose attribute, object or set is "NA" is skipped, as in the released loaders.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from fedsilo.core.errors import DataError
from fedsilo.data.compositions.pair_lists import SPLITS, PairLists, PairName, all_pairs, show_pair
from fedsilo.data.compositions.plain_pickle import is_torch_save, parse_torch_save
from fedsilo.data.compositions.torch7_file import is_torch7, is_torch7_text, parse_torch7
from fedsilo.data.files.tree_survey import summarize_names

COLUMNS = ("image", "attr", "obj", "set")
SKIPPED = "NA"
GREATEST = 256 * 2**20
"""Greatest size of a .t7 file, in bytes; the published ones have a few megabytes."""

CONVERT = (
    "Where you trust the file, convert it: python -c \"import csv, torch; rows = torch.load('FILE.t7', "
    "weights_only=False); w = csv.writer(open('metadata.csv', 'w', newline='')); w.writerow(['image', 'attr', 'obj', "
    "'set']); w.writerows([r['image'], r['attr'], r['obj'], r['set']] for r in rows)\"; metadata.csv takes its place."
)


@dataclass(frozen=True, slots=True)
class MetadataRow:
    """One image.

    Attributes:
        path: Path below `images/`.
        pair: Its attribute and its object.
        split: One of `SPLITS`.
        place: Where the row is in its file, for messages: "line 7" or "entry 6".
    """

    path: str
    pair: PairName
    split: str
    place: str


def parse_csv(text: str, file: str) -> tuple[MetadataRow, ...]:
    """Reads metadata.csv.

    Args:
        text: Its content.
        file: Its name, for messages.

    Returns:
        The rows without skipped ones.

    Raises:
        DataError: A column is missing or there twice, a row is not complete, or the text is no CSV.
    """
    table = csv.DictReader(io.StringIO(text))
    try:
        return _parse_table(table, file)
    except csv.Error as error:
        raise DataError(f"{file}: line {table.line_num + 1}: {error}. Is a quote missing?") from error


def _parse_table(table: csv.DictReader[str], file: str) -> tuple[MetadataRow, ...]:
    found = table.fieldnames or []
    repeated = [name for name in COLUMNS if list(found).count(name) > 1]
    if repeated:
        raise DataError(f"{file}: the column {', '.join(repeated)} is there twice. Remove one.")
    lacking = [name for name in COLUMNS if name not in found]
    if lacking:
        raise DataError(
            f"{file}: no column {', '.join(lacking)}; its columns are {', '.join(found)[:80] or 'none'}. "
            f"The first line must name {', '.join(COLUMNS)}."
        )
    return tuple(_make_rows(((f"line {table.line_num}", row) for row in table), file))


def parse_t7(data: bytes, file: str) -> tuple[MetadataRow, ...]:
    """Reads the metadata of a .t7 file without executing anything in it.

    Args:
        data: Bytes of the file.
        file: Its name, for messages.

    Returns:
        The rows without skipped ones.

    Raises:
        DataError: The file is damaged, has another format, or contains anything but plain values.
    """
    if len(data) > GREATEST:
        raise DataError(f"{file}: {len(data):,} bytes, at most {GREATEST:,} are read. {CONVERT}")
    if is_torch7_text(data):
        raise DataError(
            f"{file}: torch7's ASCII format is not read. Write it again in the binary format: th -e "
            "\"torch.save('binary.t7', torch.load('FILE.t7', 'ascii'))\"."
        )
    try:
        if is_torch_save(data):
            found = parse_torch_save(data, GREATEST)
        elif is_torch7(data):
            found = parse_torch7(data)
        else:
            raise DataError(f"neither a file of torch.save nor of torch7; it begins with {data[:8]!r}")
    except DataError as error:
        raise DataError(f"{file}: {error}. Nothing of it was executed. {CONVERT}") from error
    if not isinstance(found, list):
        raise DataError(f"{file}: contains a {type(found).__name__}, not a list of images. {CONVERT}")
    return tuple(_make_rows(((f"entry {number}", entry) for number, entry in enumerate(found)), file))


def check_rows(
    rows: Sequence[MetadataRow], lists: PairLists, file: str, strict: bool
) -> tuple[list[MetadataRow], list[str]]:
    """Checks rows against the lists of pairs.

    Args:
        rows: All rows.
        lists: The pairs of each split.
        file: Name of the metadata file, for messages.
        strict: Whether it is an error that an image has two pairs, is listed twice, or has a pair of no list. Otherwise
            these are notices, and images with a pair of no list are left out, as in the released loaders.

    Returns:
        The rows to use, and notices.

    Raises:
        DataError: The pair of an image is not in the list of its split, or one of the strict errors.
    """
    listed, of_split = set(all_pairs(lists)), {split: set(lists.of(split)) for split in SPLITS}
    unlisted = [row for row in rows if row.pair not in listed]
    used = [row for row in rows if row.pair in listed]
    first: dict[str, MetadataRow] = {}
    twice, torn = [], []
    for row in used:
        other = first.setdefault(row.path, row)
        if other is not row and other.pair != row.pair:
            pairs = [f"'{show_pair(found.pair)}' in {found.place}" for found in (other, row)]
            torn.append(f"{row.path} ({', '.join(pairs)})")
        elif other is not row:
            twice.append(f"{row.path} ({other.place} as {other.split}, {row.place} as {row.split})")
    notices = []
    for what, remedy, names in (
        ("images with two pairs", "Keep one line of each.", torn),
        ("images that are listed twice", "Keep one line of each.", twice),
        (
            "images with a pair of no list",
            "Add the pair to a list, or write NA as its set.",
            [f"{row.path} ('{show_pair(row.pair)}', {row.place})" for row in unlisted],
        ),
    ):
        if names and strict:
            raise DataError(f"{file}: {summarize_names(what, names)} {remedy}")
        if names:
            left = " are left out, as in the released loaders" if what.endswith("no list") else ""
            notices.append(summarize_names(f"{what[0].upper()}{what[1:]}{left}", names))
    strange = [
        f"{row.path} ('{show_pair(row.pair)}', {row.place})" for row in used if row.pair not in of_split[row.split]
    ]
    if strange:
        what = f"{file}: images whose pair is not in the list of their set"
        raise DataError(f"{summarize_names(what, strange)} Correct the set, or add the pair to that list.")
    return used, notices


def _make_rows(entries: Iterable[tuple[str, Mapping[Any, Any]]], file: str) -> Iterator[MetadataRow]:
    """Yields the rows that are not skipped."""
    for place, entry in entries:
        values = [entry.get(name) for name in COLUMNS] if isinstance(entry, Mapping) else []
        texts = [value.strip() for value in values if isinstance(value, str)]
        if len(texts) != len(COLUMNS) or not all(texts) or None in entry:
            lacking = ", ".join(name for name, value in zip(COLUMNS, values, strict=False) if not value)
            what = f"no {lacking}" if lacking else f"not the texts {', '.join(COLUMNS)}"
            raise DataError(f"{file}: {place}: {what}. Complete it, or write NA.")
        path, attribute, name, split = texts
        if SKIPPED in (attribute, name, split):
            continue
        if split not in SPLITS:
            raise DataError(f"{file}: {place}: the set '{split[:40]}'. Allowed: {', '.join(SPLITS)}, {SKIPPED}.")
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
            raise DataError(f"{file}: {place}: '{path[:80]}' does not lie below images/. Write a relative path with /.")
        yield MetadataRow(path, (attribute, name), split, place)
