"""Folders and zips in the field's layout; damaged and missing files are one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from fedsilo.core import LabelledImages


def test_zip_and_folder_are_the_same(small: Any, tmp_path: Path, closed: LabelledImages) -> None:
    small.write(tmp_path / "files" / "inner")
    shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "files")
    images = small.load("pairs_folder", tmp_path / "set.zip")
    assert images.classes == closed.classes
    assert images.test.digests == closed.test.digests
    assert images.test.fetch(3).tobytes() == closed.test.fetch(3).tobytes()


def test_folders_with_blanks_stand_for_underscores(small: Any, tmp_path: Path, closed: LabelledImages) -> None:
    root = small.write(tmp_path)
    for folder in (root / "images").iterdir():
        folder.rename(folder.with_name(folder.name.replace("_", " ")))
    assert small.load("pairs_folder", root).train.digests == closed.train.digests


HEADER = b"image,attr,obj,set\n"
CONTENTS = {
    "columns": b"path,attribute,obj,set\nx.jpg,Wet,Cat,train\n",
    "empty csv": b"",
    "csv not UTF-8": HEADER + b"x.jpg,Wet,Caf\xe9,train\n",
    "column twice": b"image,attr,obj,set,set\nx.jpg,Wet,Cat,train,test\n",
    "open quote": HEADER + b'"x.jpg,' + b"Wet" * 60_000,
    "path without a name": HEADER + b".,Wet,Cat,train\n",
}
"""Of metadata.csv."""


def damage(root: Path, what: str) -> None:
    lists = root / "compositional-split-natural"
    if what in CONTENTS:
        (root / "metadata.csv").write_bytes(CONTENTS[what])
    elif what == "list not UTF-8":
        (lists / "val_pairs.txt").write_bytes(b"Wet Caf\xe9\n")
    elif what == "missing list":
        (lists / "test_pairs.txt").unlink()
    elif what == "no lists":
        shutil.rmtree(lists)
    elif what == "empty root":
        shutil.rmtree(root)
        root.mkdir()


DAMAGES = {
    "columns": ["metadata.csv", "no column image, attr", "path, attribute, obj, set"],
    "empty csv": ["metadata.csv", "no column image, attr, obj, set"],
    "column twice": ["metadata.csv", "column set", "twice"],
    "open quote": ["metadata.csv: line 2", "131072", "quote"],
    "path without a name": ["lacks images of metadata.csv (1): . (line 2)"],
    "csv not UTF-8": ["metadata.csv", "byte 32", "UTF-8"],
    "list not UTF-8": ["val_pairs.txt", "byte 7", "UTF-8"],
    "missing list": ["lacks test_pairs.txt", "Add it"],
    "no lists": ["train_pairs.txt", "metadata.csv", "remove"],
    "empty root": ["no image file", "empty"],
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damaged_files_are_one_line(what: str, small: Any, tmp_path: Path) -> None:
    root = small.write(tmp_path / "mine")
    damage(root, what)
    message = small.refusal("pairs_folder", root)
    for fact in DAMAGES[what]:
        assert fact in message


@pytest.mark.parametrize("other", ["./{}", "images/{}", "{}"])
@pytest.mark.parametrize("name", ["pairs_folder", "mit_states"])
def test_one_image_under_two_spellings_is_refused(name: str, other: str, small: Any, tmp_path: Path) -> None:
    rows = small.rows
    path = rows[0][0] if other != "{}" else rows[0][0].replace("_", " ")
    root = small.write(tmp_path)
    small.write_csv(root, [*rows, (other.format(path), "Dry", "Cat", "test")])
    message = small.refusal(name, root)
    assert "metadata.csv: images that are listed under two spellings (1)" in message
    for fact in (f"{rows[0][0]} (line 2)", f"{other.format(path)} (line {len(rows) + 2})"):
        assert fact in message


@pytest.mark.parametrize("what", ["empty root", "nothing"])
def test_published_sets_say_what_is_missing_and_how_to_get_it(what: str, small: Any, tmp_path: Path) -> None:
    root = small.write(tmp_path / "mine")
    damage(root, "empty root" if what == "empty root" else "no lists")
    if what == "nothing":
        (root / "metadata.csv").unlink()
    message = small.refusal("ut_zappos", root)
    for fact in ("data.root", str(root), "compositional-split-natural", "metadata.csv", "ut-zappos", "https://"):
        assert fact in message
