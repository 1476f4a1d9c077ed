"""CoOp's layout on disk: alignment of image, label and name; every way in which something can be missing."""

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedsilo.core.errors import DataError
from fedsilo.data.datasets.oxford_pets import OxfordPets

PETS = OxfordPets.layout
NAMES = ["abyssinian", "american_bulldog", "beagle"]


def colour(label: int, number: int) -> tuple[int, int, int]:
    return (40 * label, number, 7)


def jpeg(label: int, number: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (9, 7), colour(label, number)).save(stream, "PNG")
    return stream.getvalue()


def rows(split: str, each: int) -> list[list[object]]:
    """Rows that are not in label order, as in the published files."""
    return [[f"{NAMES[label]}_{split}{i}.jpg", label, NAMES[label]] for i in range(each) for label in (2, 0, 1)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three breeds of pets: 12 training, 3 validation and 6 test images."""
    content = {"train": rows("train", 4), "val": rows("val", 1), "test": rows("test", 2)}
    write(tmp_path, content)
    for split in ("train", "test"):  # the validation images are not read
        for number, (name, label, _) in enumerate(content[split]):
            (tmp_path / "oxford_pets" / "images" / str(name)).write_bytes(jpeg(int(str(label)), number))
    return tmp_path


def write(root: Path, content: object) -> None:
    folder = root / PETS.homes[0]
    (folder / PETS.images).mkdir(parents=True, exist_ok=True)
    (folder / PETS.split).write_text(content if isinstance(content, str) else json.dumps(content))


def load(root: Path, **keys):
    return OxfordPets(root=str(root), **keys).load(seed=0)


def test_every_image_stands_with_its_label_and_name(root):
    images = load(root)
    assert images.classes == ("abyssinian", "american bulldog", "beagle")
    assert images.template == "a photo of a {}, a type of pet."
    assert (len(images.train), len(images.test)) == (12, 6)
    for split in (images.train, images.test):
        assert split.labels.dtype == np.int64
        for i in range(len(split)):
            assert split.fetch(i).getpixel((3, 3)) == colour(split.labels[i], i)
    assert images.notices == (
        "oxford_pets by split_zhou_OxfordPets.json: 3 classes, 12 training and 6 test images; "
        "its 3 validation images are not used; the published set has 37 classes and 7,349 images.",
        "Images that are byte for byte both in training and in test (6): beagle_test0.jpg, abyssinian_test0.jpg, "
        "american_bulldog_test0.jpg, beagle_test1.jpg and 2 more.",
    )


def test_digests_come_from_the_bytes_and_images_survive_pickling(root):
    split = load(root).train
    assert len(set(split.digests)) == 12
    assert pickle.loads(pickle.dumps(split)).fetch(5).tobytes() == split.fetch(5).tobytes()


def test_the_template_can_be_changed(root):
    assert load(root, template="{}!").template == "{}!"


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_is_one_line_with_where_it_should_be(tmp_path):
    line = refusal(tmp_path)
    assert line.startswith(f"data.root: there is no folder 'oxford_pets' in '{tmp_path}' (looked for {tmp_path}/oxford")
    assert "split_zhou_OxfordPets.json and the images go into oxford_pets/" in line
    assert "DATASETS.md" in line


def test_a_missing_split_file_and_missing_images_are_named_together(root, tmp_path):
    (tmp_path / "oxford_pets" / PETS.split).rename(tmp_path / "elsewhere.json")
    assert (
        "oxford_pets lacks split_zhou_OxfordPets.json (or, for torchvision's split, annotations/trainval.txt, "
        "annotations/test.txt). " in refusal(root)
    )
    (tmp_path / "oxford_pets" / "images").rename(tmp_path / "elsewhere")
    assert "oxford_pets lacks split_zhou_OxfordPets.json and images/ (or, for torchvision's" in refusal(root)
    with pytest.raises(DataError, match=r"oxford_pets lacks split_zhou_OxfordPets.json and images/\. "):
        load(root, split="coop")


def test_absent_images_are_counted_and_some_are_named(root):
    for name in ("beagle_train0.jpg", "beagle_train1.jpg"):
        (root / "oxford_pets" / "images" / name).unlink()
    line = refusal(root)
    assert "images of split_zhou_OxfordPets.json that cannot be read from" in line
    assert "(2): beagle_train0.jpg (cannot be read: " in line


def test_an_image_that_is_broken_after_all_is_one_line_when_it_is_fetched(root):
    (root / "oxford_pets" / "images" / "beagle_train0.jpg").write_bytes(b"not a picture")
    images = load(root)
    with pytest.raises(DataError, match=r"beagle_train0\.jpg: not a sound image: not an image") as caught:
        images.train.fetch(0)
    assert "\n" not in str(caught.value)


def test_missing_data_is_no_fault_of_the_scenario(tmp_path):
    assert OxfordPets(root=str(tmp_path / "nowhere")).problems() == []
    assert [line.split(":")[0] for line in OxfordPets(root="", template="x").problems()] == ["root", "template"]
