"""Rows of metadata.csv that do not fit the lists are refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedsilo.core import LabelledImages


def test_na_rows_are_skipped(small: Any, tmp_path: Path, closed: LabelledImages) -> None:
    root = small.write(tmp_path)
    extra = [("no.jpg", "NA", "Cat", "train"), ("no.jpg", "Wet", "NA", "train"), ("no.jpg", "Wet", "Cat", "NA")]
    small.write_csv(root, extra + small.rows)
    assert small.load("pairs_folder", root).train.digests == closed.train.digests


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
    message = small.refusal("pairs_folder", root)
    for fact in facts:
        assert fact in message


def test_published_sets_take_doubtful_rows_with_a_notice(small: Any, tmp_path: Path, closed: LabelledImages) -> None:
    root = small.write(tmp_path)
    rows = [("x.jpg", "Wet", "Zebra", "test"), ("Wet_Cat/train0.jpg", "Dry", "Cat", "train")]
    small.write_csv(root, [*small.rows, *rows])
    images = small.load("mit_states", root)
    assert [len(images.train), len(images.test)] == [13, 8]
    assert any("x.jpg" in line and "left out" in line for line in images.notices)
    assert any("two pairs" in line for line in images.notices)
