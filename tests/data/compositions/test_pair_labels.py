"""Labels of pairs: seen ones first, then the others, in both worlds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedsilo.core import LabelledImages


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


def test_open_world_has_all_pairs_behind_the_seen_ones(small: Any, tmp_path: Path, closed: LabelledImages) -> None:
    images = small.load("pairs_folder", small.write(tmp_path), world="open")
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
    assert len(small.load("pairs_folder", root).classes) == 6
    images = small.load("pairs_folder", root, world="open")
    assert images.classes[6:] == ("dry dog house", "old tree top", "wet tree top")
    assert images.pairs is not None
    assert images.pairs.test.all()
