"""The field's layout, loaded as each published set and as the user's own folder; whatever is malformed is one line."""

from __future__ import annotations

import dataclasses
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsilo.core import Dataset, LabelledImages
from fedsilo.core.errors import DataError
from fedsilo.core.registry import find

SETS = ("mit_states", "ut_zappos", "cgqa", "vaw_czsl")
DATA = Path(os.environ.get("FEDSILO_DATA", Path(__file__).parents[3].parent / "shared" / "data"))


def load(name: str, root: Path, **keys: Any) -> LabelledImages:
    return find(Dataset, name)(root=str(root), **keys).load(0)


def refusal(name: str, root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(name, root)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    return message


@pytest.fixture(scope="module")
def closed(small: Any, tmp_path_factory: pytest.TempPathFactory) -> LabelledImages:
    return load("pairs_folder", small.write(tmp_path_factory.mktemp("set")))


def test_seen_pairs_come_first_in_the_order_of_their_list(closed: LabelledImages) -> None:
    assert closed.classes[:3] == ("wet cat", "wet dog house", "dry cat")
    assert closed.classes[6:] == ("dry dog house", "old cat", "wet tree top")
    assert closed.pairs is not None
    assert closed.pairs.attributes == ("dry", "old", "wet")
    assert closed.pairs.objects == ("cat", "dog house", "tree top")
    assert closed.pairs.seen.tolist() == [True] * 6 + [False] * 3
    assert closed.pairs.test.tolist() == [True] * 6 + [True, False, True]
    assert closed.pairs.validation.tolist() == [True] * 6 + [False, True, False]
    both = zip(closed.pairs.attribute, closed.pairs.object, strict=True)
    assert [f"{closed.pairs.attributes[a]} {closed.pairs.objects[o]}" for a, o in both] == list(closed.classes)


def test_images_have_the_label_of_their_pair_in_their_split(closed: LabelledImages) -> None:
    assert closed.validation is not None
    assert [len(part) for part in (closed.train, closed.validation, closed.test)] == [12, 4, 8]
    for split, part in (("train", closed.train), ("val", closed.validation), ("test", closed.test)):
        for place, label in enumerate(part.labels):
            folder, name = part.name(place).split("/")[-2:]
            assert folder.replace("_", " ").replace(".", " ").lower() == closed.classes[label]
            assert name.startswith(split)
    copy = pickle.loads(pickle.dumps(closed.test))
    assert copy.fetch(5).tobytes() == closed.test.fetch(5).tobytes()


def test_open_world_has_all_pairs_behind_the_seen_ones(small: Any, tmp_path: Path, closed: LabelledImages) -> None:
    images = load("pairs_folder", small.write(tmp_path), world="open")
    assert images.pairs is not None
    assert len(images.classes) == 9
    assert images.classes[:6] == closed.classes[:6]
    assert images.classes[6:] == ("dry dog house", "old cat", "wet tree top")
    assert images.pairs.test.all()
    assert images.pairs.validation.all()
    assert images.pairs.seen.sum() == 6


def test_open_world_adds_pairs_of_no_list(small: Any, tmp_path: Path) -> None:
    lists = small.lists | {"train": [*small.lists["train"][:5], "Old Cat"], "val": ["Wet Cat"], "test": ["Dry Cat"]}
    rows = [row for row in small.rows if row[3] == "train" and " ".join(row[1:3]) in lists["train"]]
    rows += [("a/x.jpg", "Wet", "Cat", "val"), ("a/y.jpg", "Dry", "Cat", "test")]
    root = small.write(tmp_path, lists=lists, rows=rows)
    assert len(load("pairs_folder", root).classes) == 6
    images = load("pairs_folder", root, world="open")
    assert images.classes[6:] == ("dry dog house", "old tree top", "wet tree top")
    assert images.pairs is not None
    assert images.pairs.test.all()


@pytest.mark.parametrize("name", SETS)
def test_published_sets_read_the_layout_in_their_folder(name: str, small: Any, tmp_path: Path) -> None:
    home = find(Dataset, name).homes[0]
    small.write(tmp_path / home)
    images = load(name, tmp_path)
    assert images.classes[1] == "wet dog house"
    assert images.domains == (name,)
    assert "train 6 pairs, val 1 + 1, test 2 + 2 (seen + unseen); 12, 4, 8 images" in images.notices[0]
    assert "The published set has" in images.notices[0]
    assert load(name, tmp_path / home).test.digests == images.test.digests


@pytest.mark.parametrize("name", SETS)
def test_cards_agree_with_the_published_counts(name: str) -> None:
    kind = find(Dataset, name)
    counts = kind.published
    assert kind.card.name == name
    assert kind.card.images == sum(counts.images)
    assert kind.card.classes == counts.train + counts.validation[1] + counts.test[1]
    assert kind.card.classes <= counts.attributes * counts.objects


def test_complete_sets_are_not_reported(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, root = find(Dataset, "ut_zappos"), small.write(tmp_path)
    counts = dataclasses.replace(kind.published, attributes=3, objects=3, train=6, validation=(1, 1), test=(2, 2))
    monkeypatch.setattr(kind, "published", dataclasses.replace(counts, images=(12, 4, 8)))
    assert "published" not in load("ut_zappos", root).notices[0]


def test_zip_and_folder_are_the_same(small: Any, tmp_path: Path, closed: LabelledImages) -> None:
    small.write(tmp_path / "files" / "inner")
    shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "files")
    images = load("pairs_folder", tmp_path / "set.zip")
    assert images.classes == closed.classes
    assert images.test.digests == closed.test.digests
    assert images.test.fetch(3).tobytes() == closed.test.fetch(3).tobytes()


def test_lines_with_a_plus_have_blanks_in_names(small: Any, tmp_path: Path) -> None:
    lists = {
        split: [line.replace(" ", "+").replace("_", " ") for line in lines] for split, lines in small.lists.items()
    }
    rows = [(path, a, o.replace("_", " "), split) for path, a, o, split in small.rows]
    images = load("vaw_czsl", small.write(tmp_path, lists=lists, rows=rows))
    assert images.classes[3] == "dry tree top"


def test_folders_with_blanks_stand_for_underscores(small: Any, tmp_path: Path, closed: LabelledImages) -> None:
    root = small.write(tmp_path)
    for folder in (root / "images").iterdir():
        folder.rename(folder.with_name(folder.name.replace("_", " ")))
    assert load("pairs_folder", root).train.digests == closed.train.digests


def test_na_rows_are_skipped(small: Any, tmp_path: Path, closed: LabelledImages) -> None:
    root = small.write(tmp_path)
    extra = [("no.jpg", "NA", "Cat", "train"), ("no.jpg", "Wet", "NA", "train"), ("no.jpg", "Wet", "Cat", "NA")]
    small.write_csv(root, extra + small.rows)
    assert load("pairs_folder", root).train.digests == closed.train.digests


def without(row: int) -> Callable[[Any], Any]:
    return lambda rows: rows[:row] + rows[row + 1 :]


LIST_FAULTS = {
    "unknown attribute": ("test", ["Wet Cat", "New Cat"], ["New Cat", "attribute 'New'", "Add a training pair"]),
    "unknown object": ("val", ["Wet Cat", "Old Bird"], ["Old Bird", "object 'Bird'", "val_pairs.txt"]),
    "unseen in both": ("val", ["Wet Cat", "Old Cat", "Dry Dog.House"], ["Dry Dog.House", "test too", "Remove"]),
    "repeated line": ("train", ["Wet Cat", "Dry Tree", "Wet Cat"], ["line 3 repeats line 1", "Wet Cat", "Remove"]),
    "not a pair": ("train", ["Wet Cat", "Dry"], ["line 2", "'Dry'", "attribute object"]),
    "three words": ("test", ["Wet Cat Dog"], ["line 1", "Wet Cat Dog"]),
    "empty train": ("train", [], ["0 training pairs", "At least 2"]),
    "empty test": ("test", [], ["0 test pairs", "1 test pair"]),
    "same word": ("train", ["wet Tree_Top"], ["'Wet' and 'wet'", "Rename"]),
}


@pytest.mark.parametrize("fault", LIST_FAULTS)
def test_lists_that_do_not_fit_are_one_line(fault: str, small: Any, tmp_path: Path) -> None:
    split, lines, facts = LIST_FAULTS[fault]
    if fault == "same word":
        lines = small.lists[split] + lines
    message = refusal("pairs_folder", small.write(tmp_path, lists=small.lists | {split: lines}))
    assert "compositional-split-natural" in message
    for fact in facts:
        assert fact in message


ROW_FAULTS = {
    "two pairs": (
        ("Wet_Cat/train0.jpg", "Dry", "Cat", "train"),
        ["two pairs", "Wet_Cat/train0.jpg", "line 26", "line 2"],
    ),
    "listed twice": (
        ("Wet_Cat/train0.jpg", "Wet", "Cat", "test"),
        ["listed twice", "line 2 as train", "line 26 as test"],
    ),
    "no list": (("x.jpg", "Wet", "Zebra", "test"), ["no list", "Wet Zebra", "line 26", "write NA"]),
    "wrong set": (("x.jpg", "Old", "Cat", "test"), ["not in the list of their set", "Old Cat", "line 26"]),
    "unknown set": (("x.jpg", "Wet", "Cat", "dev"), ["line 26", "'dev'", "train, val, test, NA"]),
    "empty cell": (("x.jpg", "", "Cat", "test"), ["line 26", "no attr"]),
    "too few cells": (("x.jpg", "Wet"), ["line 26", "no obj, set"]),
    "too many cells": (("x.jpg", "Wet", "Cat", "test", "?"), ["line 26"]),
    "missing image": (("gone/x.jpg", "Wet", "Cat", "test"), ["gone/x.jpg", "line 26", "images"]),
    "outside": (("../x.jpg", "Wet", "Cat", "test"), ["line 26", "../x.jpg", "below images/"]),
    "absolute": (("/etc/x.jpg", "Wet", "Cat", "test"), ["line 26", "below images/"]),
}


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_rows_that_do_not_fit_are_one_line(fault: str, small: Any, tmp_path: Path) -> None:
    row, facts = ROW_FAULTS[fault]
    root = small.write(tmp_path)
    small.write_csv(root, [*small.rows, row])
    message = refusal("pairs_folder", root)
    for fact in facts:
        assert fact in message


def test_published_sets_take_doubtful_rows_with_a_notice(small: Any, tmp_path: Path, closed: LabelledImages) -> None:
    root = small.write(tmp_path)
    rows = [("x.jpg", "Wet", "Zebra", "test"), ("Wet_Cat/train0.jpg", "Dry", "Cat", "train")]
    small.write_csv(root, [*small.rows, *rows])
    images = load("mit_states", root)
    assert [len(images.train), len(images.test)] == [13, 8]
    assert any("x.jpg" in line and "left out" in line for line in images.notices)
    assert any("two pairs" in line for line in images.notices)


def damage(root: Path, what: str) -> None:
    lists = root / "compositional-split-natural"
    if what == "columns":
        (root / "metadata.csv").write_text("path,attribute,obj,set\nx.jpg,Wet,Cat,train\n")
    elif what == "empty csv":
        (root / "metadata.csv").write_text("")
    elif what == "csv not UTF-8":
        (root / "metadata.csv").write_bytes(b"image,attr,obj,set\nx.jpg,Wet,Caf\xe9,train\n")
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
    message = refusal("pairs_folder", root)
    for fact in DAMAGES[what]:
        assert fact in message


@pytest.mark.parametrize("what", ["empty root", "nothing"])
def test_published_sets_say_what_is_missing_and_how_to_get_it(what: str, small: Any, tmp_path: Path) -> None:
    root = small.write(tmp_path / "mine")
    damage(root, "empty root" if what == "empty root" else "no lists")
    if what == "nothing":
        (root / "metadata.csv").unlink()
    message = refusal("ut_zappos", root)
    for fact in ("data.root", str(root), "compositional-split-natural", "metadata.csv", "ut-zappos", "https://"):
        assert fact in message


def test_without_validation_images_there_is_a_notice(small: Any, tmp_path: Path) -> None:
    rows = [row for row in small.rows if row[3] != "val"]
    images = load("pairs_folder", small.write(tmp_path, lists=small.lists | {"val": []}, rows=rows))
    assert images.validation is None
    assert any("no validation image" in line for line in images.notices)
    assert len(images.classes) == 8


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_set_without_training_or_test_images_is_refused(split: str, small: Any, tmp_path: Path) -> None:
    message = refusal("pairs_folder", small.write(tmp_path, rows=[row for row in small.rows if row[3] != split]))
    assert f"no image of the set '{split}'" in message


def test_real_fashion_pack_is_read_as_its_maker_describes_it(tmp_path: Path) -> None:
    pack = DATA / "compositions_fashion.zip"
    if not pack.is_file():
        pytest.skip(f"{pack} is not there: no real compositions to read")
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(tmp_path)
    images = load("pairs_folder", tmp_path)
    assert "10 attributes x 15 objects; train 56 pairs, val 26 + 14, test 33 + 13" in images.notices[0]
    assert [len(images.train), len(images.test)] == [1122, 490]
    assert images.validation is not None
    assert len(images.validation) == 360
    assert images.test.digests == load("pairs_folder", pack).test.digests
    known = {name: label for label, name in enumerate(images.classes)}
    for place in range(0, 490, 37):
        folder = images.test.name(place).split("/")[-2]
        assert images.test.labels[place] == known[folder.replace("_", " ")]
        assert images.test.fetch(place).mode == "RGB"
    assert np.unique(images.train.labels).size == 56
