"""A small set of compositions in the field's layout: 3 attributes x 3 objects, 6 seen pairs, 1 + 2 unseen ones."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fedsilo.core import Dataset, LabelledImages
from fedsilo.core.errors import DataError
from fedsilo.core.registry import find

LISTS = {
    "train": ["Wet Cat", "Wet Dog.House", "Dry Cat", "Dry Tree_Top", "Old Dog.House", "Old Tree_Top"],
    "val": ["Wet Cat", "Old Cat"],
    "test": ["Wet Cat", "Dry Cat", "Dry Dog.House", "Wet Tree_Top"],
}
"""In an order that is not the sorted one."""

Rows = list[tuple[str, str, str, str]]


def make_rows() -> Rows:
    """Two images of each pair in each list, for example ("Wet_Cat/train0.jpg", "Wet", "Cat", "train")."""
    return [
        ("{}_{}/{}{}.jpg".format(*line.split(), split, n), *line.split(), split)
        for split, lines in LISTS.items()
        for line in lines
        for n in range(2)
    ]


def write_layout(
    root: Path, lists: Mapping[str, list[str]] = LISTS, rows: Rows | None = None, metadata: bool = True
) -> Path:
    """Writes images, lists and metadata.csv, and returns the folder."""
    rows = make_rows() if rows is None else rows
    for number, (path, *_) in enumerate(rows):
        file = root / "images" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 5), (number, 80, 90)).save(file, "PNG")
    folder = root / "compositional-split-natural"
    folder.mkdir(parents=True, exist_ok=True)
    for split, lines in lists.items():
        (folder / f"{split}_pairs.txt").write_text("".join(f"{line}\n" for line in lines))
    if metadata:
        write_csv(root, rows)
    return root


def write_csv(root: Path, rows: Rows, header: tuple[str, ...] = ("image", "attr", "obj", "set")) -> None:
    with (root / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


class SmallSet:
    """The small set: its lists, its rows, and functions that write them."""

    lists = LISTS
    write = staticmethod(write_layout)
    write_csv = staticmethod(write_csv)

    def load(self, name: str, root: Path, **keys: Any) -> LabelledImages:
        """Loads a folder as the data set of a name."""
        return find(Dataset, name)(root=str(root), **keys).load(0)

    def refusal(self, name: str, root: Path) -> str:
        """The one line that refuses a folder."""
        with pytest.raises(DataError) as caught:
            self.load(name, root)
        message = str(caught.value)
        assert "\n" not in message
        assert len(message) < 700
        return message

    @property
    def rows(self) -> Rows:
        return make_rows()


@pytest.fixture(scope="session")
def small() -> SmallSet:
    """The small set, to be written with changes."""
    return SmallSet()


@pytest.fixture(scope="session")
def closed(small: SmallSet, tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    """The small set as the user's own folder, in the closed world."""
    return small.load("pairs_folder", small.write(tmp_path_factory.mktemp("set")))
