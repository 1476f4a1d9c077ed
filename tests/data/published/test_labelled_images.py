import numpy as np
import pytest
from PIL import Image

from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import FolderSource
from fedsilo.data.published.labelled_images import (
    Row,
    compute_digests,
    list_class_images,
    make_examples,
    make_row,
    order_class_names,
    read_annotations,
    report_leaks,
)


@pytest.mark.parametrize(
    "values",
    [
        ("/a.jpg", 0, "cat"),
        ("x/../../a.jpg", 0, "cat"),
        ("a.jpg", -1, "cat"),
        ("a.jpg", True, "cat"),
        ("a.jpg", 0, " "),
        (7, 0, "cat"),
    ],
)
def test_a_row_has_a_path_inside_a_class_number_and_a_name(values):
    assert make_row("x/a.jpg", 0, "cat") == Row("x/a.jpg", 0, "cat")
    with pytest.raises(ValueError, match="is not \\[path, label, class name\\]"):
        make_row(*values)


def test_images_are_listed_class_by_class_in_the_order_of_their_names(tmp_path):
    for name in ("b/2.jpg", "b/1.jpg", "a/3.jpg", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_class_images(tmp_path, [("b", "bee"), ("a", "ant")]) == (
        Row("b/1.jpg", 0, "bee"),
        Row("b/2.jpg", 0, "bee"),
        Row("a/3.jpg", 1, "ant"),
    )
    with pytest.raises(FileNotFoundError, match="no image of c, d in"):
        list_class_images(tmp_path, [("c", "cat"), ("a", "ant"), ("d", "dog")])


def test_every_fault_of_an_annotation_file_is_one_line_with_what_it_should_be(tmp_path):
    def damaged(file):
        raise KeyError("train\nlist")

    with pytest.raises(DataError, match=r"list\.json: not a list of images: KeyError .*train.*\. Fetch it\.") as caught:
        read_annotations(tmp_path / "list.json", damaged, "a list of images", "Fetch it.")
    assert "\n" not in str(caught.value)


def test_class_names_stand_in_the_order_of_their_numbers():
    assert order_class_names([Row("a", 1, "dog"), Row("b", 0, "cat"), Row("c", 1, "dog")], "list", "") == ["cat", "dog"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([Row("a", 0, "cat"), Row("b", 0, "dog")], "label 0 is both 'cat' and 'dog'"),
        ([Row("a", 0, "cat"), Row("b", 2, "dog")], "there are 2 up to 2"),
        ([Row("a", 0, "cat")], "there are 1 up to 0"),
        ([], "there are 0 in all"),
    ],
)
def test_class_numbers_with_gaps_or_two_names_are_refused(rows, words):
    with pytest.raises(DataError, match=words):
        order_class_names(rows, "list", "Fetch it.")


def test_digests_tell_images_apart_and_an_image_of_both_splits_is_reported(tmp_path):
    for name, colour in (("a.png", "red"), ("b.png", "blue"), ("copy.png", "red")):
        Image.new("RGB", (4, 4), colour).save(tmp_path / name)
    source, names = FolderSource(str(tmp_path)), ["a.png", "b.png", "copy.png"]
    digests = compute_digests(source, names, "here", "list", "Fetch it.")
    assert digests[0] == digests[2] != digests[1]
    train = make_examples(source, names[:2], np.array([0, 1]), digests[:2])
    assert train.domains.tolist() == [0, 0]
    assert train.fetch(1).getpixel((0, 0)) == (0, 0, 255)
    assert report_leaks(train, make_examples(source, names[1:], np.array([1, 0]), digests[1:])) == [
        "Images that are byte for byte both in training and in test (2): b.png, copy.png."
    ]
    assert report_leaks(train, make_examples(source, [], np.array([], dtype=np.int64), [])) == []
    with pytest.raises(DataError, match=r"images of list that cannot be read from here \(1\): none\.png"):
        compute_digests(source, ["a.png", "none.png"], "here", "list", "Fetch it.")
