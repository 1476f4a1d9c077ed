"""Which folder is a split, which a domain, which a class.

Known trees, after any single folders around them:

    classes    <class>/*
    domains    <domain>/<class>/*
    splits     train|test/<class>/*  or  train|test/<domain>/<class>/*
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fedsilo.core.errors import DataError
from fedsilo.core.printing import keep_visible, make_printable
from fedsilo.data.files.file_sources import Listing, Member

LAYOUTS = ("auto", "classes", "domains", "splits")
TRAIN, TEST = "train", "test"
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")
SUFFIXES = (".bmp", ".gif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp")
EXPECTED = (
    "Expected <class>/*, <domain>/<class>/*, train|test/<class>/* or train|test/<domain>/<class>/* "
    f"with image files ({', '.join(SUFFIXES)})"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file or class folder stands in the tree; `split` and `domain` are "" where the tree has none."""

    split: str
    domain: str
    label: str


@dataclass(frozen=True, slots=True)
class Tree:
    """Image files with their places.

    Attributes:
        layout: "classes", "domains" or "splits".
        pattern: The same for people, for example "<domain>/<class>/*".
        images: The image files that have a place.
        places: (n,) place of each of them.
        folders: Places of all class folders, also of empty ones.
        passed: Folders around the tree that were passed through.
        misplaced: Image files at another depth or outside both splits.
        strangers: Files that are no images by their names.
        refused: Names that the source could not or would not reach.
    """

    layout: str
    pattern: str
    images: tuple[Member, ...]
    places: tuple[Place, ...]
    folders: frozenset[Place]
    passed: tuple[str, ...]
    misplaced: tuple[str, ...]
    strangers: tuple[str, ...]
    refused: tuple[str, ...]


def arrange(listing: Listing, wanted: str = "auto") -> Tree:
    """Finds out the layout and gives each image file its place.

    Args:
        listing: What lies in the source.
        wanted: One of `LAYOUTS`; all but "auto" force that reading.

    Raises:
        DataError: There is no image file, or the tree is none of the known ones.
    """
    files = [file for file in listing.files if _suffix(file.parts[-1]) in SUFFIXES]
    strangers = tuple("/".join(file.parts) for file in listing.files if _suffix(file.parts[-1]) not in SUFFIXES)
    if not files:
        seen = f"{len(strangers)} other files" if strangers else "it is empty"
        raise DataError(f"data.root: no image file in it ({seen}). {EXPECTED}.")
    depths = Counter(len(file.parts) - 1 for file in files)
    depth = max(depths, key=lambda level: (depths[level], -level))
    passed = _around(listing, depth, wanted)
    tops = sorted({parts[len(passed)] for parts in listing.folders if len(parts) > len(passed)})
    layout = _layout(depth - len(passed), tops, wanted)
    splits = _split_folders(tops) if layout == "splits" else {}

    levels = depth - len(passed)
    placed = {file: _place(file.parts[len(passed) : -1], levels, layout, splits) for file in files}
    images = {file: place for file, place in placed.items() if place}
    folders = (_place(parts[len(passed) :], levels, layout, splits) for parts in listing.folders)
    return Tree(
        layout=layout,
        pattern=_pattern(layout, levels),
        images=tuple(images),
        places=tuple(images.values()),
        folders=frozenset(place for place in folders if place),
        passed=passed,
        misplaced=tuple("/".join(file.parts) for file in files if file not in images),
        strangers=strangers,
        refused=listing.refused,
    )


def _pattern(layout: str, levels: int) -> str:
    if layout != "splits":
        return "<domain>/<class>/*" if layout == "domains" else "<class>/*"
    return "train|test/<domain>/<class>/*" if levels == 3 else "train|test/<class>/*"


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return (dot + suffix).lower() if stem else ""


def _around(listing: Listing, depth: int, wanted: str) -> tuple[str, ...]:
    """The single folders around the tree, as a zip of one folder has them."""
    passed: list[str] = []
    least = {"domains": 2, "splits": 2}.get(wanted, 1)
    while depth - len(passed) > least:
        tops = {parts[len(passed)] for parts in listing.folders if len(parts) > len(passed)}
        only = tops.pop()
        if tops or _is_split(only):
            break
        passed.append(only)
    return tuple(passed)


def _is_split(name: str) -> bool:
    return name.lower() in TRAIN_NAMES + TEST_NAMES


def _split_folders(tops: Sequence[str]) -> dict[str, str]:
    """The top folders that are the two splits, each with the split's name."""
    found = {}
    for split, names in ((TRAIN, TRAIN_NAMES), (TEST, TEST_NAMES)):
        for name in names:
            folder = next((top for top in tops if top.lower() == name), None)
            if folder is not None:
                found[folder] = split
                break
    return found


def _layout(depth: int, tops: Sequence[str], wanted: str) -> str:
    """The layout of a tree whose images lie `depth` folders down."""
    splits = sorted(_split_folders(tops).values())
    shown = ", ".join(tops[:4]) + (", ..." if len(tops) > 4 else "")
    layout = wanted
    if wanted == "auto":
        only_splits = bool(tops) and all(map(_is_split, tops))
        layout = "splits" if only_splits or (depth > 1 and len(splits) == 2) else {1: "classes"}.get(depth, "domains")
    if layout == "splits" and splits != [TEST, TRAIN]:
        raise DataError(
            f"data.root: the top folders ({shown}) are not both train and test. Add the missing one, "
            "or make its single split the root to have test images drawn from it (data.test_fraction)."
        )
    if depth not in {"classes": (1,), "domains": (2,), "splits": (2, 3)}[layout]:
        raise DataError(
            f"data.root: images lie {depth} folders down (top folders: {shown or 'none'}), which the layout "
            f"'{layout}' does not know. {EXPECTED}."
        )
    return layout


def _place(folders: tuple[str, ...], depth: int, layout: str, splits: dict[str, str]) -> Place | None:
    """The place that the folders of a file lead to, or None when it has none."""
    if len(folders) != depth:
        return None
    if layout != "splits":
        return Place("", folders[0] if layout == "domains" else "", folders[-1])
    if folders[0] not in splits:
        return None
    return Place(splits[folders[0]], folders[1] if depth == 3 else "", folders[-1])


def spoken(folder: str) -> str:
    """The name of a class as it is written into a prompt, from that of its folder."""
    return keep_visible(folder.replace("_", " ")) or make_printable(folder)
