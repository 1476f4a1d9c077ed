import json
from pathlib import Path

import pytest

from fedsilo.core.errors import DataError
from fedsilo.data.datasets.oxford_pets import OxfordPets
from fedsilo.data.published.coop_layout import CoopLayout, read_split_rows
from fedsilo.data.published.labelled_images import Row

PETS = OxfordPets.layout


def write(root: Path, content: object) -> None:
    folder = root / PETS.homes[0]
    (folder / PETS.images).mkdir(parents=True, exist_ok=True)
    (folder / PETS.split).write_text(content if isinstance(content, str) else json.dumps(content))


def load(root: Path, **keys):
    return OxfordPets(root=str(root), **keys).load(seed=0)


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not a split file of CoOp: train: JSONDecodeError"),
        ([1, 2], "not a split file of CoOp: train: TypeError"),
        ({"val": [], "test": []}, "not a split file of CoOp: train: KeyError"),
        ({"train": [["a.jpg", 0]], "val": [], "test": []}, "not a split file of CoOp: train: TypeError"),
        ({"train": [["a.jpg", "0", "cat"]], "val": [], "test": []}, "is not [path, label, class name]"),
        ({"train": [["../a.jpg", 0, "cat"]], "val": [], "test": []}, "is not [path, label, class name]"),
        ({"train": [["/a.jpg", 0, "cat"]], "val": [], "test": []}, "is not [path, label, class name]"),
        ({"train": [["a.jpg", -1, "cat"]], "val": [], "test": []}, "is not [path, label, class name]"),
        ({"train": [], "val": [], "test": []}, "its list 'train' is empty"),
        (
            {"train": [["a.jpg", 0, "cat"]], "val": [], "test": [["b.jpg", 0, "dog"]]},
            "label 0 is both 'cat' and 'dog'",
        ),
        (
            {"train": [["a.jpg", 0, "cat"]], "val": [], "test": [["b.jpg", 2, "dog"]]},
            "labels must run from 0 without a gap, and there are 2 up to 2",
        ),
    ],
)
def test_a_split_file_that_is_none_is_one_line(content, words, tmp_path):
    write(tmp_path, content)
    assert words in refusal(tmp_path)


def test_missing_and_empty_files_and_the_folder_of_images_are_absent(tmp_path):
    layout = CoopLayout(("set",), "images", "split.json", beside=("names.txt",))
    assert layout.coop == ("split.json", "names.txt")
    (tmp_path / "split.json").write_text("{}")
    (tmp_path / "names.txt").touch()
    assert layout.find_absent(tmp_path, layout.coop) == ["names.txt", "images/"]
    (tmp_path / "names.txt").write_text("cat\n")
    (tmp_path / "images").mkdir()
    assert layout.find_absent(tmp_path, layout.coop) == []


def test_only_the_validation_list_may_be_empty(tmp_path):
    file = tmp_path / "split.json"
    file.write_text(json.dumps({"train": [["a.jpg", 1, "cat"]], "val": [], "test": []}))
    assert read_split_rows(file, "train") == (Row("a.jpg", 1, "cat"),)
    assert read_split_rows(file, "val") == ()
    with pytest.raises(DataError, match=r"split\.json: its list 'test' is empty"):
        read_split_rows(file, "test")
