import numpy as np
import pytest
from PIL import Image

from fedsilo.data.files.file_sources import FolderSource
from fedsilo.data.files.folder_layouts import FolderPlace, arrange
from fedsilo.data.files.tree_survey import Usable, remarks, summarize_kinds, summarize_names, survey


def usable(name, digest="", split="train"):
    return Usable(name, FolderPlace(split, "", name.split("/")[0]), digest or name)


@pytest.fixture
def source(tmp_path):
    """Five images of cats, three of dogs, a broken one and a text."""
    for number in range(8):
        file = tmp_path / ("cat" if number < 5 else "dog") / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert("L" if number == 7 else "RGB").save(file)
    (tmp_path / "cat" / "x.png").write_bytes(b"no image")
    (tmp_path / "cat" / "x.txt").write_bytes(b"text")
    (tmp_path / "ghost").mkdir()
    return FolderSource(str(tmp_path))


def test_sound_images_are_kept_and_every_other_file_is_reported(source):
    images, lines = survey(source, arrange(source.listing()), 0, np.random.default_rng(0))
    assert [image.name.rpartition("/")[2] for image in images] == [f"{number}.png" for number in range(8)]
    assert [image.place.label for image in images] == ["cat"] * 5 + ["dog"] * 3
    assert len({image.digest for image in images}) == 8
    assert lines == [
        "Broken image files are left out (1): cat/x.png (not an image).",
        "Files that are no images by their names are left out (1): cat/x.txt.",
        "Classes without a usable image are left out (1): ghost.",
        "Images in other colour modes (1 L) are converted to RGB (1): dog/7.png.",
    ]


def test_a_limit_draws_from_each_class(source):
    tree = arrange(source.listing())
    drawn = [[i.name for i in survey(source, tree, 2, np.random.default_rng(seed))[0]] for seed in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1]
    assert len({tuple(names) for names in drawn}) > 1
    for names in drawn:
        assert names == sorted(names)
        assert sum("dog" in name for name in names) == 2


def test_copies_across_splits_and_classes_and_gaps_are_remarked():
    images = [
        usable("cat/1", "same"),
        usable("cat/2", "same", "test"),
        usable("dog/1", "twin", "test"),
        usable("cat/3", "twin", "test"),
    ]
    assert remarks(images) == [
        "Classes without an image in a split or domain (1): dog (train).",
        "Images that are byte for byte both in training and in test (1): cat/1 = cat/2.",
        "Images that are byte for byte in more than one class (1): dog/1 = cat/3.",
    ]
    assert remarks([usable("cat/1"), usable("cat/2", split="test")]) == []


def test_a_few_names_are_written_and_the_others_counted():
    assert summarize_names("Odd", ["a", "b"]) == "Odd (2): a, b."
    assert summarize_names("Odd", [*"abcdef"]) == "Odd (6): a, b, c, d and 2 more."
    found = [("a", ["deep"]), ("b", ["flat", "deep"]), ("c", [])]
    assert list(summarize_kinds(found)) == ["deep (2): a, b.", "flat (1): b."]
