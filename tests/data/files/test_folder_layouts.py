import itertools

import pytest

from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import Listing, Member
from fedsilo.data.files.folder_layouts import FolderPlace, arrange, to_prompt_name


def listing(*paths):
    """The content of a source with these files."""
    files = [Member(path, tuple(path.split("/"))) for path in sorted(paths)]
    folders = {file.parts[:depth] for file in files for depth in range(1, len(file.parts))}
    return Listing(tuple(files), tuple(sorted(folders)), ())


def spread(*levels):
    """One image in every combination of folders."""
    return ["/".join((*folders, "1.png")) for folders in itertools.product(*levels)]


SPLITS, DOMAINS, CLASSES = ("Train", "val"), ("art", "photo"), ("cat", "dog")


@pytest.mark.parametrize("around", ["", "one/two/"])
@pytest.mark.parametrize(
    ("levels", "layout", "pattern", "last"),
    [
        ((CLASSES,), "classes", "<class>/*", FolderPlace("", "", "dog")),
        ((DOMAINS, CLASSES), "domains", "<domain>/<class>/*", FolderPlace("", "photo", "dog")),
        ((SPLITS, CLASSES), "splits", "train|test/<class>/*", FolderPlace("test", "", "dog")),
        (
            (SPLITS, DOMAINS, CLASSES),
            "splits",
            "train|test/<domain>/<class>/*",
            FolderPlace("test", "photo", "dog"),
        ),
    ],
)
def test_every_layout_is_recognized_inside_single_folders(levels, layout, pattern, last, around):
    tree = arrange(listing(*(around + path for path in spread(*levels))))
    assert (tree.layout, tree.pattern) == (layout, pattern)
    assert tree.passed == tuple(around.split("/")[:-1])
    assert len(tree.images) == len(tree.places) == len(spread(*levels))
    assert tree.places[-1] == last
    assert set(tree.places) == tree.folders


def test_a_layout_that_is_prescribed_wins_over_the_folders_names():
    tree = arrange(listing(*spread(SPLITS, CLASSES)), "domains")
    assert tree.places[0] == FolderPlace("", "Train", "cat")
    alone = listing(*spread(("photo",), CLASSES))
    assert (arrange(alone).passed, arrange(alone, "domains").passed) == (("photo",), ())


def test_files_at_another_depth_and_files_that_are_no_images_are_told_apart():
    tree = arrange(listing(*spread(DOMAINS, CLASSES), "art/stray.JPG", "art/cat/list.txt", "art/cat/.png"))
    assert tree.misplaced == ("art/stray.JPG",)
    assert tree.strangers == ("art/cat/.png", "art/cat/list.txt")
    assert len(tree.images) == 4


@pytest.mark.parametrize(
    ("paths", "wanted", "words"),
    [
        ([], "auto", r"no image file in it \(it is empty\)"),
        (["a/b.txt"], "auto", r"no image file in it \(1 other files\)"),
        (["train/cat/1.png", "train/dog/1.png"], "auto", r"\(train\) are not both train and test"),
        (spread(CLASSES), "domains", r"1 folders down \(top folders: cat, dog\), which the layout 'domains'"),
        (spread("ab", "cd", "ef", "gh"), "auto", r"4 folders down \(top folders: a, b\)"),
    ],
)
def test_an_unknown_tree_is_refused_with_its_top_folders(paths, wanted, words):
    with pytest.raises(DataError, match=words) as caught:
        arrange(listing(*paths), wanted)
    assert "\n" not in str(caught.value)


def test_a_folder_s_name_becomes_words():
    assert to_prompt_name("__great__white_shark ") == "great white shark"
    assert to_prompt_name("_") == "_"
