"""The sets of CoOp on small trees in the true layouts, CoOp's and torchvision's; torchvision itself is the oracle.

Every image says its label (red), its split (green: 1 train, 2 val, 3 test) and a number of its own (blue).
"""

import inspect
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from fedsilo.core import Dataset
from fedsilo.core.errors import DataError
from fedsilo.core.registry import find
from fedsilo.data.datasets.oxford_flowers import NAMES as FLOWERS
from fedsilo.data.published.unpacking import unpack

SPLITS = {"train": (1, 4), "val": (2, 2), "test": (3, 3)}
"""Code and number of images of each class."""

CLASSES = {
    "caltech101": ["face", "leopard", "accordion", "airplane", "water_lilly"],
    "dtd": ["banded", "blotchy", "polka-dotted"],
    "eurosat": [
        "Annual Crop Land", "Forest", "Herbaceous Vegetation Land", "Highway or Road", "Industrial Buildings",
        "Pasture Land", "Permanent Crop Land", "Residential Buildings", "River", "Sea or Lake",
    ],
    "fgvc_aircraft": ["707-320", "A300B4", "Boeing 717", "F/A-18"],
    "food101": ["apple_pie", "baby_back_ribs", "beef_carpaccio"],
    "oxford_flowers": FLOWERS[:4],
    "oxford_pets": ["abyssinian", "american_bulldog", "beagle"],
    "stanford_cars": ["2012 AM General Hummer SUV", "2009 HUMMER H2 SUT Crew Cab", "2012 Ram C/V Cargo Van Minivan"],
    "sun397": ["abbey", "outdoor apartment_building", "zen_garden"],
    "ucf101": ["Apply_Eye_Makeup", "Apply_Lipstick", "Yo_Yo"],
}  # fmt: skip
"""Class names as CoOp's files have them, in label order: the first ones of each set."""

DATA = Path(os.environ.get("FEDSILO_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
EUROSAT = "AnnualCrop Forest HerbaceousVegetation Highway Industrial Pasture PermanentCrop Residential River SeaLake"
_serial = itertools.count()


def put(file: Path, label: int, split: int) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 5), (label, split, next(_serial) % 256)).save(file, "PNG")
    return file.name


def text(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines))


def every(name: str):
    """Label, split and number of every image; labels do not come in order."""
    for split, (code, each) in SPLITS.items():
        for number in range(each):
            for label in reversed(range(len(CLASSES[name]))):
                yield label, split, code, number


def coop(name: str, root: Path) -> None:
    """CoOp's layout."""
    if name == "fgvc_aircraft":
        return aircraft(root / "fgvc_aircraft")
    layout = find(Dataset, name).layout
    content: dict[str, list[list[object]]] = {split: [] for split in SPLITS}
    for label, split, code, number in every(name):
        path = f"folder_{label}/{split}_{number}.jpg"
        put(root / layout.homes[0] / layout.images / path, label, code)
        content[split].append([path, label, CLASSES[name][label]])
    (root / layout.homes[0] / layout.split).write_text(json.dumps(content))
    return None


def aircraft(home: Path) -> None:
    lists: dict[str, list[str]] = {split: [] for split in SPLITS}
    for label, split, code, number in every("fgvc_aircraft"):
        image = f"{1_000_000 + 100 * label + 10 * code + number:07d}"
        put(home / "images" / f"{image}.jpg", label, code)
        lists[split].append(f"{image} {CLASSES['fgvc_aircraft'][label]}")
    text(home / "variants.txt", CLASSES["fgvc_aircraft"])
    for split, lines in lists.items():
        text(home / f"images_variant_{split}.txt", lines)
    text(home / "images_variant_trainval.txt", lists["train"] + lists["val"])


def pets(root: Path) -> None:
    home, lists = root / "oxford-iiit-pet", {"trainval": [], "test": []}
    for label, split, code, number in every("oxford_pets"):
        image = f"{('Abyssinian', 'american_bulldog', 'beagle')[label]}_{10 * code + number}"
        put(home / "images" / f"{image}.jpg", label, code)
        lists["test" if split == "test" else "trainval"].append(
            f"{image} {label + 1} {1 + (label > 0)} {max(label, 1)}"
        )
    for split, lines in lists.items():
        text(home / "annotations" / f"{split}.txt", lines)


def flowers(root: Path) -> None:
    home, labels, numbers = root / "flowers-102", [], {"trnid": [], "valid": [], "tstid": []}
    for image, (label, split, code, _) in enumerate(every("oxford_flowers"), 1):
        put(home / "jpg" / f"image_{image:05d}.jpg", label, code)
        labels.append(label + 1)
        numbers[{"train": "trnid", "val": "valid", "test": "tstid"}[split]].append(image)
    savemat(home / "imagelabels.mat", {"labels": np.array([labels], dtype=np.uint8)})
    savemat(home / "setid.mat", {key: np.array([value], dtype=np.uint16) for key, value in numbers.items()})


def food(root: Path) -> None:
    home, lists = root / "food-101", {split: {} for split in ("train", "test")}
    for label, split, code, number in every("food101"):
        name = CLASSES["food101"][label]
        put(home / "images" / name / f"{10 * code + number}.jpg", label, code)
        lists["test" if split == "test" else "train"].setdefault(name, []).append(f"{name}/{10 * code + number}")
    for split, content in lists.items():
        text(home / "meta" / f"{split}.json", [json.dumps(content)])
    text(home / "meta" / "classes.txt", CLASSES["food101"])


def textures(root: Path) -> None:
    home, lists = root / "dtd" / "dtd", {split: [] for split in SPLITS}
    for label, split, code, number in every("dtd"):
        path = f"{CLASSES['dtd'][label]}/{CLASSES['dtd'][label]}_{10 * code + number:04d}.jpg"
        put(home / "images" / path, label, code)
        lists[split].append(path)
    for split, lines in lists.items():
        text(home / "labels" / f"{split}1.txt", lines)
        text(home / "labels" / f"{split}2.txt", lines[:1])


def cars(root: Path) -> None:
    home, rows = root / "stanford_cars", {"train": [], "test": []}
    for label, split, code, number in every("stanford_cars"):
        part = "test" if split == "test" else "train"
        rows[part].append(
            (5, 6, 7, 8, label + 1, put(home / f"cars_{part}" / f"{code}{number}{label:03d}.jpg", label, code))
        )
    fields = [(name, object) for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
    (home / "devkit").mkdir()
    for part, file in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        savemat(home / file, {"annotations": np.array([rows[part]], dtype=fields)})
    names = [f"{' '.join(name.split()[1:])} {name.split()[0]}" for name in CLASSES["stanford_cars"]]
    savemat(home / "devkit" / "cars_meta.mat", {"class_names": np.array([names], dtype=object)})


def in_folders(home: Path, name: str, folders: list[str]) -> None:
    """Images by class with running numbers, as Caltech and EuroSAT have them."""
    for label, folder in enumerate(folders):
        for number in range(1, 11):
            put(home / folder / f"image_{number:04d}.jpg", label, 0)


def caltech(root: Path) -> None:
    home = root / "caltech101" / "101_ObjectCategories"
    in_folders(home, "caltech101", ["Faces", "Leopards", "accordion", "airplanes", "water_lilly"])
    for folder in ("BACKGROUND_Google", "Faces_easy"):
        put(home / folder / "image_0001.jpg", 99, 0)


def scenes(root: Path) -> None:
    folders = ["a/abbey", "a/apartment_building/outdoor", "z/zen_garden"]
    for label, folder in enumerate(folders):
        for number in range(10):
            put(root / "SUN397" / folder / f"sun_{folder[-3:]}{number}.jpg", label, 0)
    text(root / "SUN397" / "ClassName.txt", [f"/{folder}" for folder in folders])


TORCHVISION: dict[str, Callable[[Path], None]] = {
    "caltech101": caltech,
    "dtd": textures,
    "eurosat": lambda root: in_folders(root / "eurosat" / "2750", "eurosat", EUROSAT.split()),
    "fgvc_aircraft": lambda root: aircraft(root / "fgvc-aircraft-2013b" / "data"),
    "food101": food,
    "oxford_flowers": flowers,
    "oxford_pets": pets,
    "stanford_cars": cars,
    "sun397": scenes,
}
DRAWN = ("caltech101", "eurosat", "sun397")


def load(name: str, root: Path, seed: int = 0, **keys):
    return find(Dataset, name)(root=str(root), **keys).load(seed)


def refusal(name: str, root: Path, **keys) -> str:
    with pytest.raises(DataError) as caught:
        load(name, root, **keys)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def codes(part) -> Counter[int]:
    """How many images of each split a part has; every image stands with its label."""
    pictures = [part.fetch(i).getpixel((3, 3)) for i in range(len(part))]
    assert [picture[0] for picture in pictures] == part.labels.tolist()
    return Counter(picture[1] for picture in pictures)


def names(name: str) -> tuple[str, ...]:
    return tuple(entry.replace("_", " ") for entry in CLASSES[name])


@pytest.mark.parametrize("name", CLASSES)
def test_coop_s_split_is_its_train_and_test_list(name, tmp_path):
    coop(name, tmp_path)
    images, count = load(name, tmp_path), len(CLASSES[name])
    assert images.classes == names(name)
    assert (codes(images.train), codes(images.test)) == ({1: 4 * count}, {3: 3 * count})
    assert images.domains == (name,)
    assert images.train.digests == load(name, tmp_path, seed=9, split="coop").train.digests


@pytest.mark.parametrize("name", [name for name in TORCHVISION if name not in DRAWN])
@pytest.mark.parametrize("split", ["auto", "torchvision"])
def test_torchvision_s_split_has_the_same_classes(name, split, tmp_path):
    TORCHVISION[name](tmp_path)
    images, count = load(name, tmp_path, split=split), len(CLASSES[name])
    assert images.classes == names(name)
    own = {1: 4 * count, 2: 2 * count} if (name, split) != ("fgvc_aircraft", "auto") else {1: 4 * count}
    assert (codes(images.train), codes(images.test)) == (own, {3: 3 * count})
    assert not set(images.train.digests) & set(images.test.digests)


@pytest.mark.parametrize("name", DRAWN)
def test_sets_without_a_published_split_are_split_by_the_seed_in_each_class(name, tmp_path):
    TORCHVISION[name](tmp_path)
    images = load(name, tmp_path)
    assert images.classes == names(name)
    assert codes(images.train) == {0: 7 * len(images.classes)}
    assert np.bincount(images.test.labels).tolist() == [3] * len(images.classes)
    assert not set(images.train.digests) & set(images.test.digests)
    assert images.test.digests == load(name, tmp_path).test.digests != load(name, tmp_path, seed=1).test.digests
    assert len(load(name, tmp_path, test_fraction=0.5).test) == 5 * len(images.classes)
    assert "has no published split: test images are drawn by the seed, 0.3 of each class" in images.notices[1]


def test_copies_of_an_image_stay_on_one_side_of_a_drawn_split(tmp_path):
    caltech(tmp_path)
    folder = tmp_path / "caltech101" / "101_ObjectCategories" / "accordion"
    for number in range(2, 9):
        (folder / f"image_{number:04d}.jpg").write_bytes((folder / "image_0001.jpg").read_bytes())
    for seed in range(5):
        images = load("caltech101", tmp_path, seed)
        assert not set(images.train.digests) & set(images.test.digests)


@pytest.mark.parametrize("name", [name for name in TORCHVISION if name not in ("fgvc_aircraft", "stanford_cars")])
def test_coop_s_split_wins_where_both_are_there_and_either_can_be_asked_for(name, tmp_path):
    coop(name, tmp_path)
    TORCHVISION[name](tmp_path)
    card = find(Dataset, name).layout
    assert card.split in load(name, tmp_path).notices[0]
    assert card.split not in load(name, tmp_path, split="torchvision").notices[0]


def oracle(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[str, int]]]:
    """What torchvision makes of the tree: path and label of every training and test image."""
    if name == "oxford_flowers":
        files = {key: (file, None) for key, (file, _) in datasets.Flowers102._file_dict.items()}
        monkeypatch.setattr(datasets.Flowers102, "_file_dict", files)
    kinds = {
        "oxford_pets": (datasets.OxfordIIITPet, ["trainval"], "_images"),
        "oxford_flowers": (datasets.Flowers102, ["train", "val"], "_image_files"),
        "food101": (datasets.Food101, ["train"], "_image_files"),
        "dtd": (datasets.DTD, ["train", "val"], "_image_files"),
        "fgvc_aircraft": (datasets.FGVCAircraft, ["trainval"], "_image_files"),
    }
    if name == "stanford_cars":
        found = {split: datasets.StanfordCars(root, split)._samples for split in ("train", "test")}
        return {split: [(str(path), int(label)) for path, label in rows] for split, rows in found.items()}
    if name == "eurosat":
        return {"all": [(path, label) for path, label in datasets.EuroSAT(root).samples]}
    if name == "sun397":
        kind = datasets.SUN397(root)
        return {"all": [(str(path), label) for path, label in zip(kind._image_files, kind._labels, strict=True)]}
    cls, train, images = kinds[name]
    parts = {"train": [cls(root, split=split) for split in train], "test": [cls(root, split="test")]}
    return {
        split: [(str(p), int(y)) for k in found for p, y in zip(getattr(k, images), k._labels, strict=True)]
        for split, found in parts.items()
    }


@pytest.mark.parametrize("name", [name for name in TORCHVISION if name != "caltech101"])
def test_images_and_labels_are_those_that_torchvision_reads(name, tmp_path, monkeypatch):
    TORCHVISION[name](tmp_path)
    images = load(name, tmp_path, split="torchvision")
    ours = {}
    for split, part in (("train", images.train), ("test", images.test)):
        source = Path(part.fetch.source.root)
        ours[split] = sorted(zip([str(source / path) for path in part.fetch.names], part.labels.tolist(), strict=True))
    theirs = oracle(name, tmp_path, monkeypatch)
    if "all" in theirs:
        ours = {"all": sorted(ours["train"] + ours["test"])}
    assert ours == {split: sorted(rows) for split, rows in theirs.items()}


@pytest.mark.parametrize("name", TORCHVISION)
def test_every_missing_file_is_named(name, tmp_path):
    TORCHVISION[name](tmp_path)
    layout = find(Dataset, name).layout
    home = next(home for home in (tmp_path / h for h in layout.homes) if all((home / f).exists() for f in layout.own))
    for file in layout.own:
        (home / file).rename(tmp_path / "elsewhere")
        line = refusal(name, tmp_path, split="torchvision")
        assert f"{home} lacks {file}" in line or "there is no folder" in line
        assert "unpack" in line
        (tmp_path / "elsewhere").rename(home / file)
    assert load(name, tmp_path, split="torchvision").classes


def outcome(name: str, root: Path) -> str:
    """What is said of torchvision's layout; "" when it can be loaded."""
    try:
        load(name, root, split="torchvision")
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", [name for name in TORCHVISION if name not in ("caltech101", "eurosat")])
def test_every_damaged_file_is_one_line(name, tmp_path):
    TORCHVISION[name](tmp_path)
    layout = find(Dataset, name).layout
    home = next(home for home in (tmp_path / h for h in layout.homes) if all((home / f).exists() for f in layout.own))
    for file in layout.own:
        whole = (home / file).read_bytes()
        for damage in (b"", whole[: len(whole) // 3], b"\xff\xfe" + whole, b"rubbish of one line\n"):
            (home / file).write_bytes(damage)
            line = outcome(name, tmp_path)
            if line or damage != whole[: len(whole) // 3]:  # a text that was cut between two lines can be read
                assert str(home) in line
                assert "\n" not in line
        (home / file).write_bytes(whole)


@pytest.mark.parametrize(("file", "list_"), [("trainval.txt", "training"), ("test.txt", "test")])
def test_a_list_without_an_image_is_reported(file, list_, tmp_path):
    pets(tmp_path)
    (tmp_path / "oxford-iiit-pet" / "annotations" / file).write_text("# Image CLASS-ID SPECIES BREED ID\n")
    assert f"the {list_} list of oxford_pets has no image." in refusal("oxford_pets", tmp_path)


def test_the_real_caltech_images_are_read_from_torchvision_s_folder(tmp_path):
    pack = DATA / "caltech101_subset_96px.zip"
    if not pack.is_file():
        pytest.skip(f"the real pack {pack.name} is not here; set FEDSILO_DATA to its folder")
    (tmp_path / "caltech101" / "101_ObjectCategories").mkdir(parents=True)
    unpack(pack, tmp_path / "caltech101" / "101_ObjectCategories")
    images = load("caltech101", tmp_path)
    assert images.classes[:3] == ("leopard", "motorbike", "accordion")
    assert "airplane" in images.classes
    assert "; the published set has 100 classes and 8,242 images." in images.notices[0]
    assert len(images.train) + len(images.test) == 2376
    whole = load("image_folder", pack)
    assert sorted(images.train.digests + images.test.digests) == sorted(whole.train.digests + whole.test.digests)


@pytest.mark.parametrize("name", CLASSES)
def test_an_image_that_is_not_there_is_named_before_anything_is_trained(name, tmp_path):
    coop(name, tmp_path)
    part = load(name, tmp_path).test
    (Path(part.fetch.source.root) / part.fetch.names[0]).unlink()
    assert f"(1): {part.fetch.names[0]} (cannot be read:" in refusal(name, tmp_path)


def test_a_class_without_images_is_named(tmp_path):
    TORCHVISION["eurosat"](tmp_path)
    for file in (tmp_path / "eurosat" / "2750" / "River").iterdir():
        file.unlink()
    assert "no image of River in" in refusal("eurosat", tmp_path)


@pytest.mark.parametrize(
    ("name", "keys", "expected"),
    [
        ("oxford_pets", {"root": "", "template": "x"}, ["root", "template"]),
        ("oxford_pets", {"download": True, "split": "coop"}, ["download"]),
        ("fgvc_aircraft", {"download": True, "split": "coop"}, []),
        ("stanford_cars", {"download": True}, ["download"]),
        ("ucf101", {"split": "torchvision"}, ["split"]),
        ("eurosat", {"test_fraction": 1.0}, ["test_fraction"]),
    ],
)
def test_impossible_keys_are_named(name, keys, expected):
    assert [line.split(":")[0] for line in find(Dataset, name)(**keys).problems()] == expected


MODULES = {
    "caltech101": datasets.caltech,
    "cifar10": datasets.cifar,
    "cifar100": datasets.cifar,
    "dtd": datasets.dtd,
    "eurosat": datasets.eurosat,
    "fgvc_aircraft": datasets.fgvc_aircraft,
    "food101": datasets.food101,
    "oxford_flowers": datasets.flowers102,
    "oxford_pets": datasets.oxford_iiit_pet,
    "sun397": datasets.sun397,
}


@pytest.mark.parametrize("name", MODULES)
def test_what_is_fetched_is_what_torchvision_fetches(name):
    source = inspect.getsource(MODULES[name])
    for archive in find(Dataset, name).card.archives:
        assert archive.name in source
        assert archive.url.removesuffix(archive.name) in source
        assert f'"{archive.md5}"' in source or name == "fgvc_aircraft"
