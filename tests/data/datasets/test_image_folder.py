"""Every layout and every defect of image folders, and real data sets."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedsilo.core.errors import DataError
from fedsilo.data.datasets.image_folder import ImageFolder, to_prompt_name
from fedsilo.data.files.bit_depth import SCALED

DATA = Path(os.environ.get("FEDSILO_DATA", Path(__file__).parents[3].parent / "shared" / "data"))


def picture(number: int, mode: str = "RGB", form: str = "PNG") -> bytes:
    """A small image that differs for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, form)
    return stream.getvalue()


def names(*folders: str, each: int = 4) -> dict[str, bytes]:
    """Files of sound images in some folders."""
    paths = [f"{folder}/{number}.png" for folder in folders for number in range(each)]
    return {path: picture(number) for number, path in enumerate(paths)}


def write(root: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(root)


def pack(path: Path, files: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return str(path)


def load(files: dict[str, bytes], root: Path, **keys):
    return ImageFolder(root=write(root, files), **keys).load(seed=0)


LAYOUTS = {
    "<class>/*": (names("cat", "dog"), ("data",), (6, 2)),
    "<domain>/<class>/*": (names("photo/cat", "photo/dog", "art/cat", "art/dog"), ("art", "photo"), (12, 4)),
    "train|test/<class>/*": (names("train/cat", "train/dog", "test/cat", "test/dog"), ("data",), (8, 8)),
    "train|test/<domain>/<class>/*": (
        names(*(f"{s}/{d}/{c}" for s in ("train", "test") for d in ("art", "photo") for c in ("cat", "dog"))),
        ("art", "photo"),
        (16, 16),
    ),
}


@pytest.mark.parametrize("pattern", LAYOUTS)
@pytest.mark.parametrize("around", ["", "one/two/"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_layout_is_found_in_folders_and_zips(pattern, around, packed, tmp_path):
    files, domains, sizes = LAYOUTS[pattern]
    files = {around + name: data for name, data in files.items()}
    root = pack(tmp_path / "data.zip", files) if packed else write(tmp_path / "data", files)
    images = ImageFolder(root=root).load(seed=0)
    assert images.classes == ("cat", "dog")
    assert images.domains == domains
    assert (len(images.train), len(images.test)) == sizes
    assert images.notices[0].startswith(f"Read as {pattern}{' inside one/two' if around else ''}: ")
    assert len(images.notices) == 1


def test_images_stand_with_their_own_class_and_domain(tmp_path):
    files = names("photo/cat", "photo/dog", "art/cat", "art/dog")
    images = load(files, tmp_path)
    for split in (images.train, images.test):
        for i in range(len(split)):
            place = f"{images.domains[split.domains[i]]}/{images.classes[split.labels[i]]}/"
            same = [name for name in files if Image.open(io.BytesIO(files[name])).tobytes() == split.fetch(i).tobytes()]
            assert len(same) == 1
            assert same[0].startswith(place)


def test_a_zip_and_its_folder_are_the_same_data(tmp_path):
    files = names("photo/cat", "photo/dog", "art/cat", "art/dog")
    folder, archive = load(files, tmp_path / "a"), ImageFolder(root=pack(tmp_path / "a.zip", files)).load(seed=0)
    assert folder.train.digests == archive.train.digests
    assert folder.test.digests == archive.test.digests
    assert folder.train.fetch(3).tobytes() == archive.train.fetch(3).tobytes()


def test_the_seed_draws_the_test_images(tmp_path):
    root = write(tmp_path, names("cat", "dog", each=12))
    tests = [ImageFolder(root=root, test_fraction=0.5).load(seed).test.digests for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]
    assert [len(test) for test in tests] == [12, 12, 12]


def test_copies_of_an_image_stay_on_one_side(tmp_path):
    files = names("cat", "dog", each=6) | {f"cat/copy{i}.png": picture(0) for i in range(6)}
    for seed in range(5):
        images = ImageFolder(root=write(tmp_path, files), test_fraction=0.5).load(seed)
        assert not {*images.train.digests} & {*images.test.digests}


def test_copies_across_given_splits_and_classes_are_reported(tmp_path):
    files = names("train/cat", "train/dog", "test/cat", "test/dog")
    files |= {"test/cat/copy.png": files["train/cat/0.png"], "train/cat/also.png": files["train/dog/1.png"]}
    assert load(files, tmp_path).notices[1:] == (
        "Images that are byte for byte both in training and in test (1): test/cat/copy.png = train/cat/0.png.",
        "Images that are byte for byte in more than one class (1): train/cat/also.png = train/dog/1.png.",
    )


def test_a_layout_can_be_forced(tmp_path):
    files = names("train/cat", "train/dog", "test/cat", "test/dog")
    assert load(files, tmp_path, layout="domains").domains == ("test", "train")
    single = names("photo/cat", "photo/dog")
    assert load(single, tmp_path / "b", layout="domains").domains == ("photo",)
    assert load(single, tmp_path / "b", layout="auto").domains == ("b",)


@pytest.mark.parametrize(
    ("files", "layout", "words"),
    [
        (names("a/x/cat/big", "b/x/cat/big"), "auto", "images lie 4 folders down (top folders: a, b)"),
        (names("train/cat", "train/dog"), "auto", "(train) are not both train and test"),
        (names("train", "test"), "auto", "images lie 1 folders down (top folders: test, train)"),
        (
            names("cat", "dog"),
            "domains",
            "images lie 1 folders down (top folders: cat, dog), which the layout 'domains'",
        ),
        (names("cat", "dog"), "splits", "(cat, dog) are not both train and test"),
        (names("x/cat", "y/cat"), "classes", "images lie 2 folders down (top folders: x, y)"),
        ({"notes.txt": b"hello", "cat/list.csv": b"1"}, "auto", "no image file in it (2 other files)"),
        ({}, "auto", "no image file in it (it is empty)"),
        (names("cat"), "auto", "only the class 'cat' is left, two are needed"),
        (names("cat", "dog", each=1), "auto", "no usable image is left for test"),
    ],
)
def test_an_unknown_tree_is_one_line_with_what_is_expected(files, layout, words, tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError) as caught:
        load(files, tmp_path / "data", layout=layout)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_defect_is_named_and_the_rest_is_used(tmp_path):
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(stream, "JPEG")
    files = names("photo/cat", "photo/dog", "art/cat", "art/dog") | {
        "photo/cat/cut.jpg": stream.getvalue()[:-300],
        "photo/cat/empty.png": b"",
        "photo/dog/text.jpg": b"this is no image",
        "art/cat/list.txt": b"a file list",
        "art/stray.png": picture(90),
        "photo/ghost/broken.png": b"\x89PNG\r\n\x1a\n broken",
        "photo/axolotl/only.png": picture(91),
        ".git/config": b"hidden",
        "photo/cat/.hidden.png": b"hidden",
        "__MACOSX/photo/cat/._0.png": b"hidden",
        "photo/Thumbs.db": b"hidden",
    }
    (tmp_path / "art" / "empty").mkdir(parents=True)
    images = load(files, tmp_path)
    assert images.classes == ("axolotl", "cat", "dog")
    assert len(images.train) + len(images.test) == 17
    assert images.notices[0] == (
        "Read as <domain>/<class>/*: 2 domains x 3 classes, 13 training and 4 test images (drawn)."
    )
    assert images.notices[1].startswith("Broken image files are left out (4): photo/cat/cut.jpg (")
    assert "photo/cat/empty.png (empty file)" in images.notices[1]
    assert "photo/dog/text.jpg (not an image)" in images.notices[1]
    assert images.notices[2:] == (
        "Files that are no images by their names are left out (1): art/cat/list.txt.",
        "Image files that do not lie at <domain>/<class>/* are left out (1): art/stray.png.",
        "Classes without a usable image are left out (2): empty, ghost.",
        "Classes without an image in a split or domain (2): axolotl in art (train, test), axolotl in photo (test).",
    )


def test_when_nothing_is_left_all_problems_stand_on_one_line(tmp_path):
    files = {f"cat/{i}.jpg": b"no image" for i in range(9)} | {"dog/a.png": b"", "dog/readme.md": b"x"}
    with pytest.raises(DataError) as caught:
        load(files, tmp_path)
    line = str(caught.value)
    assert "no usable image is left. Broken image files are left out (10): cat/0.jpg (not an image)" in line
    assert "and 6 more. Files that are no images by their names are left out (1): dog/readme.md." in line
    assert "Expected <class>/*" in line
    assert "\n" not in line


def test_every_colour_mode_becomes_rgb_and_is_reported(tmp_path):
    grey16 = io.BytesIO()
    Image.fromarray(np.array([[0x1000, 0x1180], [0x1200, 0x1300]], dtype=np.uint16)).save(grey16, "PNG")
    glass = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(glass, "PNG")
    files = names("cat", "dog", each=2) | {
        "cat/a.png": picture(11, "L"),
        "cat/b.png": picture(12, "P"),
        "cat/c.jpg": picture(13, "CMYK", "JPEG"),
        "cat/d.gif": picture(14, "P", "GIF"),
        "dog/e.png": picture(15, "1"),
        "dog/deep.png": grey16.getvalue(),
        "dog/glass.png": glass.getvalue(),
    }
    images = load(files, tmp_path)
    fetched = {split.fetch.names[i]: split.fetch(i) for split in (images.train, images.test) for i in range(len(split))}
    assert {image.mode for image in fetched.values()} == {"RGB"}
    deep = fetched["dog/deep.png"]
    assert [deep.getpixel(place)[0] for place in ((0, 0), (1, 0), (0, 1), (1, 1))] == [0, 128, 170, 255]
    assert fetched["dog/glass.png"].getpixel((0, 0)) == (255, 255, 255)
    assert images.notices[2] == f"{SCALED} (1): dog/deep.png."
    assert images.notices[3] == "Images of one colour all over (1): dog/glass.png."
    assert images.notices[1] == (
        "Images in other colour modes (1 1, 1 CMYK, 1 I;16, 1 L, 2 P, 1 RGBA) are converted to RGB (7): "
        "cat/a.png, cat/b.png, cat/c.jpg, cat/d.gif and 3 more."
    )


def test_class_names_fit_a_prompt_and_equal_ones_are_reported(tmp_path):
    images = load(names("sea_horse", "Sea horse", "T-shirt", "_"), tmp_path)
    assert images.classes == ("Sea horse", "T-shirt", "_", "sea horse")
    assert images.notices[1:] == (
        "Classes that read the same in a prompt, or but for capitals (2): Sea horse, sea_horse.",
    )
    assert to_prompt_name("__great__white_shark ") == "great white shark"


def test_a_limit_draws_from_each_class_and_domain(tmp_path):
    files = names("photo/cat", "photo/dog", "art/cat", "art/dog", each=9)
    root = write(tmp_path, files)
    first, second = (ImageFolder(root=root, image_limit=4).load(seed) for seed in (0, 1))
    assert len(first.train) + len(first.test) == 16
    assert {*first.train.digests, *first.test.digests} != {*second.train.digests, *second.test.digests}
    cells = first.train.domains * 2 + first.train.labels
    assert np.bincount(cells).tolist() == [3, 3, 3, 3]


def test_validation_stands_in_for_a_missing_test_split(tmp_path):
    files = names("train/cat", "train/dog", "val/cat", "val/dog")
    assert len(load(files, tmp_path).test) == 8
    third = load(names("Train/cat", "Train/dog", "Test/cat", "Test/dog", "val/cat", "val/dog"), tmp_path / "b")
    assert len(third.test) == 8
    assert "Image files that do not lie at train|test/<class>/* are left out (8): val/cat/0.png" in third.notices[1]


def test_paths_start_at_home_or_at_the_current_folder(tmp_path, monkeypatch):
    write(tmp_path / "here" / "pack", names("cat", "dog"))
    monkeypatch.setenv("HOME", str(tmp_path / "here"))
    assert len(ImageFolder(root="~/pack").load(0).train) == 6
    monkeypatch.chdir(tmp_path)
    images = ImageFolder(root="here/pack").load(0)
    monkeypatch.chdir("/")
    assert images.train.fetch(0).size == (8, 6)


def test_a_changed_file_is_not_taken_for_the_old_one(tmp_path):
    root = Path(write(tmp_path, names("cat", "dog")))
    images = ImageFolder(root=str(root)).load(0)
    (root / images.train.fetch.names[0]).write_bytes(picture(99))
    with pytest.raises(DataError, match="changed while it was in use"):
        images.train.fetch(0)
    (root / images.train.fetch.names[1]).unlink()
    with pytest.raises(DataError, match="cannot be read any more"):
        pickle.loads(pickle.dumps(images.train.fetch))(1)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ["root"]),
        ({"root": "no/such/folder"}, ["root"]),
        (
            {"root": ".", "test_fraction": 0.0, "image_limit": -1, "template": "x"},
            ["test_fraction", "image_limit", "template"],
        ),
        ({"root": "."}, []),
    ],
)
def test_impossible_keys_are_all_named(keys, expected):
    assert [line.split(":")[0] for line in ImageFolder(**keys).problems()] == expected


def real(name: str, **keys):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the real pack {name} is not here; set FEDSILO_DATA to its folder")
    return ImageFolder(root=str(path), **keys).load(seed=1)


def test_the_office_pack_has_four_domains():
    images = real("office_caltech10_96px.zip")
    assert images.domains == ("amazon", "caltech10", "dslr", "webcam")
    assert len(images.classes) == 10
    both = np.bincount(images.train.domains) + np.bincount(images.test.domains)
    assert both.tolist() == [958, 1123, 157, 295]
    assert min(images.test.fetch(len(images.test) - 1).size) == 96
    assert len(images.notices) == 1


def test_the_cifar_pack_keeps_its_own_split():
    images = real("cifar10_subset.zip")
    assert np.bincount(images.train.labels).tolist() == [500] * 10
    assert np.bincount(images.test.labels).tolist() == [100] * 10
    assert images.notices == ("Read as train|test/<class>/*: 10 classes, 5,000 training and 1,000 test images.",)


def test_the_caltech_pack_has_ninety_nine_classes():
    images = real("caltech101_subset_96px.zip", image_limit=8)
    assert len(images.classes) == 99
    assert "sea horse" in images.classes
    assert np.bincount(images.test.labels).tolist() == [2] * 99
