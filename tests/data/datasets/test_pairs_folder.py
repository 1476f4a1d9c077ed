"""The user's own tree of compositions, without files that say what is seen, and with lists only."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import LabelledImages
from fedsilo.core.errors import DataError
from fedsilo.data.datasets.pairs_folder import PairsFolder

PAIRS = list(product(("dry", "old", "wet", "big"), ("cat", "dog", "oak_tree", "car")))


def write(root: Path, joint: str = "_", pairs: Any = PAIRS, each: int = 5) -> Path:
    for number, (pair, n) in enumerate(product(pairs, range(each))):
        file = root / joint.join(pair) / f"{n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4), (number, n, 7)).save(file)
    return root


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def images(tree: Path) -> LabelledImages:
    return PairsFolder(root=str(tree)).load(0)


def refusal(**keys: Any) -> str:
    with pytest.raises(DataError) as caught:
        PairsFolder(**keys).load(0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pairs_and_images_are_drawn(images: LabelledImages) -> None:
    assert images.pairs is not None
    assert images.validation is not None
    assert images.pairs.objects == ("car", "cat", "dog", "oak tree")
    assert images.pairs.seen.sum() == 10
    assert (images.pairs.test & ~images.pairs.seen).sum() == 3
    assert (images.pairs.validation & ~images.pairs.seen).sum() == 3
    assert (images.train.labels < 10).all()
    assert len(images.train) + len(images.validation) + len(images.test) == 80
    unseen = np.flatnonzero(images.pairs.test & ~images.pairs.seen)
    assert np.isin(images.test.labels, unseen).sum() == 15
    assert any("cut at the first one" in line and "= 'dry' + 'oak_tree'" in line for line in images.notices)


def test_the_same_seed_draws_the_same_and_another_other_pairs(tree: Path, images: LabelledImages) -> None:
    again, other = (PairsFolder(root=str(tree)).load(seed) for seed in (0, 1))
    assert again.classes == images.classes
    assert again.test.digests == images.test.digests
    assert other.classes != images.classes


def test_blanks_images_folder_and_single_folder_are_the_same(tmp_path: Path, images: LabelledImages) -> None:
    root = write(tmp_path / "outer" / "images", " ")
    found = PairsFolder(root=str(root.parent)).load(0)
    assert found.classes == images.classes
    assert found.test.digests == images.test.digests
    assert PairsFolder(root=str(root)).load(0).test.digests == images.test.digests
    assert not any("underscores" in line for line in found.notices)


@pytest.mark.parametrize("images_folder", [False, True])
def test_lists_without_metadata_say_which_pairs_are_seen(images_folder: bool, tmp_path: Path) -> None:
    write(tmp_path / "images" if images_folder else tmp_path, pairs=[*PAIRS[:8], ("very_wet", "cat")])
    folder = tmp_path / "compositional-split-natural"
    folder.mkdir()
    lines = [" ".join(pair) for pair in PAIRS[:8]]
    (folder / "train_pairs.txt").write_text("\n".join([*lines[1:7], "very_wet cat"]))
    (folder / "val_pairs.txt").write_text(lines[0])
    (folder / "test_pairs.txt").write_text("\n".join(lines[6:8]))
    found = PairsFolder(root=str(tmp_path)).load(0)
    assert found.classes[:7] == (
        "dry dog",
        "dry oak tree",
        "dry car",
        "old cat",
        "old dog",
        "old oak tree",
        "very wet cat",
    )
    assert found.validation is not None
    assert {found.classes[label] for label in found.validation.labels} == {"dry cat"}
    assert {found.classes[label] for label in found.test.labels} == {"old oak tree", "old car"}
    (folder / "val_pairs.txt").write_text("")
    assert "not <attribute>_<object> of a list (1): dry_cat" in refusal(root=str(tmp_path))


def test_two_folders_of_one_pair_are_drawn_as_one(tmp_path: Path, images: LabelledImages) -> None:
    root = write(tmp_path)
    (root / "dry cat").mkdir()
    for name in ("3.png", "4.png"):
        (root / "dry_cat" / name).rename(root / "dry cat" / name)
    found = PairsFolder(root=str(root)).load(0)
    assert found.notices[0].split(", ", 1)[1] == images.notices[0].split(", ", 1)[1]
    assert found.classes == images.classes


def test_a_blank_decides_between_pairs_that_are_joined_to_one_name(tmp_path: Path) -> None:
    pairs = [("dark", "blue_shirt"), ("dark_blue", "shirt"), ("dark", "hat"), ("dark_blue", "hat")]
    root = write(tmp_path, " ", pairs)
    folder = tmp_path / "compositional-split-natural"
    folder.mkdir()
    for split, chosen in (("train", pairs[:3]), ("val", []), ("test", pairs)):
        (folder / f"{split}_pairs.txt").write_text("".join(f"{' '.join(pair)}\n" for pair in chosen))
    found = PairsFolder(root=str(root)).load(0)
    labels = {(name.split("/")[-2], int(label)) for name, label in _named(found)}
    assert labels == {(" ".join(pair), label) for label, pair in enumerate(pairs[:3])}
    alike = [line for line in found.notices if "read the same in a prompt" in line]
    assert len(alike) == 1
    assert "(1): dark blue shirt." in alike[0]
    (root / "dark blue_shirt").rename(root / "dark_blue_shirt")
    message = refusal(root=str(root))
    assert "(1): dark_blue_shirt ('dark' + 'blue_shirt' or 'dark_blue' + 'shirt'). Rename" in message


def _named(found: LabelledImages) -> list[tuple[str, Any]]:
    return [(found.train.name(place), label) for place, label in enumerate(found.train.labels)]


def test_copies_of_an_image_in_two_pairs_are_reported(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "wet_dog" / "copy.png").write_bytes((root / "dry_cat" / "0.png").read_bytes())
    lines = [line for line in PairsFolder(root=str(root)).load(0).notices if "more than one pair" in line]
    assert len(lines) == 1
    assert "dry_cat/0.png" in lines[0]
    assert "wet_dog/copy.png" in lines[0]


def test_folders_that_are_no_pair_are_refused(tmp_path: Path) -> None:
    write(tmp_path, pairs=[*PAIRS, ("plain",), ("_x",)], each=3)
    message = refusal(root=str(tmp_path))
    assert "(2): _x, plain. Rename" in message or "(2): __x, plain" in message


def test_broken_images_are_left_out_with_a_notice(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "dry_cat" / "0.png").write_bytes(b"no picture")
    found = PairsFolder(root=str(root)).load(0)
    assert any("dry_cat/0.png" in line and "left out" in line for line in found.notices)


@pytest.mark.parametrize(
    ("keys", "fact"),
    [
        ({"root": ""}, "root: missing"),
        ({"root": "/no/such/folder"}, "/no/such/folder"),
        ({"unseen_test": 0.0}, "unseen_validation, unseen_test"),
        ({"unseen_validation": 0.6, "unseen_test": 0.4}, "got 0.6 and 0.4"),
        ({"validation_fraction": -0.1}, "validation_fraction, test_fraction"),
        ({"template": "no place"}, "template"),
    ],
)
def test_impossible_keys_are_named(keys: dict[str, Any], fact: str, tree: Path) -> None:
    problems = PairsFolder(**({"root": str(tree)} | keys)).problems()
    assert len(problems) == 1
    assert fact in problems[0]
