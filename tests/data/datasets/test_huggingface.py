"""Tables of the package `datasets`: from disk, from a folder of images, with labels and domains of several kinds."""

import io
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedsilo.core.errors import DataError
from fedsilo.data.datasets.huggingface import Huggingface
from fedsilo.data.files.bit_depth import MISSING, SCALED

NAMES = ["wild_cat", "dog", "eel"]


def test_without_the_package_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'fedsilo\[huggingface\]'"):
        Huggingface(path="org/name").load(seed=0)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ["path"]),
        ({"path": "a/b", "train": "x", "test": "x", "test_fraction": 1.0, "template": "x"}, 3),
        ({"path": "a/b", "test": ""}, []),
    ],
)
def test_impossible_keys_are_all_named(keys, expected):
    found = [line.split(":")[0] for line in Huggingface(**keys).problems()]
    assert found == expected if isinstance(expected, list) else len(found) == expected


def pixels(label: int, number: int, domain: int) -> Image.Image:
    """An image that says what it is."""
    return Image.new("RGB", (5, 4), (label, number, domain))


class Rows:
    """As much of a table of the package as reading one needs; images are given as bytes."""

    column_names = ("image", "label")

    def __init__(self, cells, labels):
        self.cells, self.labels = cells, labels
        self.features = {"image": _Image(), "label": None}

    def __len__(self):
        return len(self.cells)

    def __getitem__(self, what):
        return self.labels if what == "label" else {"image": self.cells[what]}

    def iter(self, size):
        yield {"image": self.cells}

    def cast_column(self, name, feature):
        return self

    select_columns = with_format = lambda self, columns: self


class _Image:
    def __init__(self, decode=True):
        pass


def test_images_of_more_than_eight_bits_are_scaled_and_named(monkeypatch):
    deep = np.arange(12, dtype=np.uint16).reshape(3, 4)
    floats = (deep / 11).astype(np.float32)
    floats[0, 0] = np.nan
    cells = []
    for number, image in enumerate([deep, deep.astype(np.uint8), floats, deep.astype("u1") + 1]):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "TIFF")
        cells.append({"bytes": stream.getvalue(), "path": str(number)})
    tables = {"train": Rows(cells, [0, 1, 0, 1]), "test": Rows(cells[1::2], [0, 1])}
    monkeypatch.setattr("fedsilo.data.datasets.huggingface._library", lambda: types.SimpleNamespace(Image=_Image))
    monkeypatch.setattr(Huggingface, "_load_splits", lambda self, library: tables)
    images = Huggingface(path="org/name").load(seed=0)
    assert images.notices[1].startswith(SCALED)
    assert images.notices[1].endswith("(2): train row 0, train row 2.")
    assert images.notices[2].startswith(MISSING)
    assert images.notices[2].endswith("(1): train row 2.")
    first, _, third, _ = (np.asarray(images.train.fetch(i)) for i in range(4))
    assert (first.min(), first.max()) == (0, 255)
    assert (third[0, 1].min(), third.max()) == (0, 255)


@pytest.fixture
def library(monkeypatch, tmp_path):
    """The package, with its cache in the test's folder."""
    found = pytest.importorskip("datasets", reason="the package datasets is not installed")
    monkeypatch.setattr(found.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return found


def table(library, size: int, kind: str = "named"):
    """Rows in an order that is not that of the labels: image, label, style."""
    labels = [(2 * i) % 3 for i in range(size)]
    columns = {
        "picture": [pixels(label, i, i % 2) for i, label in enumerate(labels)],
        "kind": labels if kind != "text" else [NAMES[label] for label in labels],
        "style": [["paint", "photo"][i % 2] for i in range(size)],
    }
    label = library.ClassLabel(names=NAMES) if kind == "named" else library.Value({"text": "string"}.get(kind, "int64"))
    features = {"picture": library.Image(), "kind": label, "style": library.Value("string")}
    return library.Dataset.from_dict(columns, features=library.Features(features))


def saved(library, folder: Path, kind: str = "named") -> str:
    splits = {"train": table(library, 24, kind), "test": table(library, 12, kind)}
    library.DatasetDict(splits).save_to_disk(str(folder))
    return str(folder)


def load(path: str, **keys):
    return Huggingface(path=path, **{"image": "picture", "label": "kind", **keys}).load(seed=0)


@pytest.mark.parametrize(
    ("kind", "classes"),
    [("named", ("wild cat", "dog", "eel")), ("text", ("dog", "eel", "wild cat")), ("number", ("0", "1", "2"))],
)
def test_every_image_stands_with_its_label_and_domain(library, kind, classes, tmp_path):
    images = load(saved(library, tmp_path / "set", kind), domain="style")
    assert images.classes == classes
    assert images.domains == ("paint", "photo")
    assert (len(images.train), len(images.test)) == (24, 12)
    said = {number: NAMES[number].replace("_", " ") if kind != "number" else str(number) for number in range(3)}
    for part in (images.train, images.test):
        for i in range(len(part)):
            label, number, domain = part.fetch(i).getpixel((2, 2))
            assert (images.classes[part.labels[i]], number, domain) == (said[label], i, part.domains[i])


def test_a_drawn_test_is_stratified_disjoint_and_the_same_for_a_seed(library, tmp_path):
    table(library, 24).save_to_disk(str(tmp_path / "one"))
    images = load(str(tmp_path / "one"), test="")
    assert np.bincount(images.train.labels).tolist() == [6, 6, 6]
    assert np.bincount(images.test.labels).tolist() == [2, 2, 2]
    assert not set(images.train.digests) & set(images.test.digests)
    assert images.test.digests == load(str(tmp_path / "one"), test="").test.digests
    assert [images.test.fetch(i).getpixel((0, 0))[0] for i in range(6)] == images.test.labels.tolist()
    assert images.notices[0].endswith("images, drawn by the seed: 0.25 of each class.")


def test_images_survive_pickling(library, tmp_path):
    part = load(saved(library, tmp_path / "set")).train
    assert pickle.loads(pickle.dumps(part)).fetch(7).tobytes() == part.fetch(7).tobytes()


def test_a_folder_of_images_is_read_as_load_dataset_does(library, tmp_path):
    for split, size in (("train", 6), ("test", 3)):
        for i in range(size):
            file = tmp_path / "tree" / split / NAMES[i % 3] / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels(i % 3, i, 0).save(file)
    images = Huggingface(path=str(tmp_path / "tree")).load(seed=0)
    assert images.classes == ("dog", "eel", "wild cat")
    for i in range(6):
        label = images.train.fetch(i).getpixel((0, 0))[0]
        assert images.classes[images.train.labels[i]] == NAMES[label].replace("_", " ")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"test": "exam"}, "has no split 'exam'. Available: train, test. Set data.train"),
        (
            {"image": "img", "label": "y"},
            "has no column 'img' and no column 'y'. Available: picture (PIL.Image.Image), k",
        ),
        ({"image": "style"}, "data.image: the column 'style' has no images"),
    ],
)
def test_a_missing_part_is_one_line_with_the_available_ones(library, keys, words, tmp_path):
    with pytest.raises(DataError) as caught:
        load(saved(library, tmp_path / "set"), **keys)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("label", "words"), [(None, "1 rows have nothing"), (-1, "has unlabelled rows")])
def test_rows_without_a_label_are_refused(library, label, words, tmp_path):
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=NAMES)})
    rows = {"image": [pixels(0, 0, 0), pixels(1, 1, 0)], "label": [0, label]}
    library.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "set"))
    with pytest.raises(DataError, match=words):
        Huggingface(path=str(tmp_path / "set"), test="").load(seed=0)


def test_a_name_that_cannot_be_loaded_is_one_line(library, tmp_path):
    with pytest.raises(DataError, match=r"data\.path: '.*nowhere' could not be loaded: ") as caught:
        load(str(tmp_path / "nowhere"))
    assert "\n" not in str(caught.value)
