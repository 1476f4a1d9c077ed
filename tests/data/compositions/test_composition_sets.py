"""The field's layout, loaded as each published set and as the user's own folder; whatever is malformed is one line."""

from __future__ import annotations

import dataclasses
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsilo.core import Dataset, LabelledImages
from fedsilo.core.registry import find

SETS = ("mit_states", "ut_zappos", "cgqa", "vaw_czsl")
DATA = Path(os.environ.get("FEDSILO_DATA", Path(__file__).parents[3].parent / "shared" / "data"))


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


@pytest.mark.parametrize("name", SETS)
def test_published_sets_read_the_layout_in_their_folder(name: str, small: Any, tmp_path: Path) -> None:
    home = find(Dataset, name).homes[0]
    small.write(tmp_path / home)
    images = small.load(name, tmp_path)
    assert images.classes[1] == "wet dog house"
    assert images.domains == (name,)
    assert "train 6 pairs, val 1 + 1, test 2 + 2 (seen + unseen); 12, 4, 8 images" in images.notices[0]
    assert "The published set has" in images.notices[0]
    assert small.load(name, tmp_path / home).test.digests == images.test.digests


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
    assert "published" not in small.load("ut_zappos", root).notices[0]


def test_lines_with_a_plus_have_blanks_in_names(small: Any, tmp_path: Path) -> None:
    lists = {
        split: [line.replace(" ", "+").replace("_", " ") for line in lines] for split, lines in small.lists.items()
    }
    rows = [(path, a, o.replace("_", " "), split) for path, a, o, split in small.rows]
    images = small.load("vaw_czsl", small.write(tmp_path, lists=lists, rows=rows))
    assert images.classes[3] == "dry tree top"


def test_without_validation_images_there_is_a_notice(small: Any, tmp_path: Path) -> None:
    rows = [row for row in small.rows if row[3] != "val"]
    images = small.load("pairs_folder", small.write(tmp_path, lists=small.lists | {"val": []}, rows=rows))
    assert images.validation is None
    assert any("no validation image" in line for line in images.notices)
    assert len(images.classes) == 8


def test_trained_pairs_without_a_training_image_are_reported(
    small: Any, tmp_path: Path, closed: LabelledImages
) -> None:
    rows = [row for row in small.rows if row[1:] != ("Dry", "Cat", "train")]
    found = small.load("pairs_folder", small.write(tmp_path, rows=rows))
    lines = [line for line in found.notices if "training list" in line]
    assert lines == ["Pairs of the training list without a training image (1): dry cat."]
    assert not any("training list" in line for line in closed.notices)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_set_without_training_or_test_images_is_refused(split: str, small: Any, tmp_path: Path) -> None:
    message = small.refusal("pairs_folder", small.write(tmp_path, rows=[row for row in small.rows if row[3] != split]))
    assert f"no image of the set '{split}'" in message


def test_real_fashion_pack_is_read_as_its_maker_describes_it(small: Any, tmp_path: Path) -> None:
    pack = DATA / "compositions_fashion.zip"
    if not pack.is_file():
        pytest.skip(f"{pack} is not there: no real compositions to read")
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(tmp_path)
    images = small.load("pairs_folder", tmp_path)
    assert "10 attributes x 15 objects; train 56 pairs, val 26 + 14, test 33 + 13" in images.notices[0]
    assert [len(images.train), len(images.test)] == [1122, 490]
    assert images.validation is not None
    assert len(images.validation) == 360
    assert images.test.digests == small.load("pairs_folder", pack).test.digests
    known = {name: label for label, name in enumerate(images.classes)}
    for place in range(0, 490, 37):
        folder = images.test.name(place).split("/")[-2]
        assert images.test.labels[place] == known[folder.replace("_", " ")]
        assert images.test.fetch(place).mode == "RGB"
    assert np.unique(images.train.labels).size == 56
