import pytest

from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import FolderSource, Member
from fedsilo.data.published.domain_lists import (
    ListFiles,
    SplitFileLine,
    match_folders_to_labels,
    read_split_file,
    select_listed,
    sort_by_lists,
)
from fedsilo.data.published.domain_tree import PlacedFile
from fedsilo.data.published.naming import make_names

FILES = ListFiles("{}_train.txt", "{}_test.txt", first=1, ignored=("art/dog/gone.png",))


def lines(*rows):
    """Lines of `domain/class/file number`."""
    return [SplitFileLine(path, path.split("/")[-2], label) for path, label in rows]


def placed(path, domain=0):
    return PlacedFile(Member(path, tuple(path.split("/"))), domain, path.split("/")[-2], "")


def read(folder, text):
    (folder / "art_train.txt").write_text(text)
    return read_split_file(FolderSource(str(folder)), Member("art_train.txt", ("art_train.txt",)), FILES, "Fetch it.")


def test_a_list_has_paths_with_blanks_and_numbers_from_the_first_one_on(tmp_path):
    assert FILES.names("art") == {"train": "art_train.txt", "test": "art_test.txt"}
    found = read(tmp_path, "art/dog/1.png 2\n\nart/ice cream/a b.png 1\nart/dog/gone.png 2\n")
    assert found == lines(("art/dog/1.png", 1), ("art/ice cream/a b.png", 0))


@pytest.mark.parametrize("text", ["art/dog/1.png 0\n", "dog.png 1\n", "art/dog/1.png two\n", "\n"])
def test_a_damaged_or_empty_list_is_one_line_with_its_name(text, tmp_path):
    with pytest.raises(DataError, match=r"^art_train\.txt: .* Fetch it\.$") as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_listed_files_come_in_the_order_of_the_list_and_all_missing_ones_are_named():
    files = [placed("Art/Dog/1.png"), placed("Art/Cat/2.png")]
    assert select_listed(files, lines(("art/cat/2.png", 0), ("art/dog/1.png", 1)), "the list", "") == files[::-1]
    with pytest.raises(DataError, match=r"missing images of the list \(2\): art/cat/7\.png, art/cow/2\.png\. Fetch it"):
        select_listed(files, lines(("art/cat/7.png", 0), ("art/cow/2.png", 1)), "the list", "Fetch it.")


def test_a_number_has_one_folder_and_there_are_no_gaps():
    assert match_folders_to_labels(lines(("a/ice_cream/1", 1), ("a/cat/1", 0), ("b/Ice Cream/1", 1)), "") == [
        "cat",
        "ice_cream",
    ]
    for rows, words in (
        ((("a/cat/1", 0), ("b/dog/1", 0)), "number 0 to 'cat' and to 'dog'"),
        ((("a/cat/1", 0), ("a/dog/1", 2)), "there are 2 up to 2"),
        ((("a/cat/1", 0), ("a/cat/2", 1)), "there are 2 up to 1"),
    ):
        with pytest.raises(DataError, match=words):
            match_folders_to_labels(lines(*rows), "")


def test_wanted_domains_and_classes_are_sorted_by_the_lists():
    files = [placed(f"{d}/{c}/{n}.png", domain) for domain, d in enumerate("xy") for c in ("cat", "dog") for n in "12"]
    found = {
        (domain, split): lines(*[(f"{d}/{c}/{n}.png", label) for label, c in enumerate(("cat", "dog"))])
        for domain, d in enumerate("xy")
        for split, n in (("train", "1"), ("test", "2"))
    }
    sorting = sort_by_lists(found, files, [1], make_names("dog"), "")
    assert (sorting.train, sorting.test) == ((files[6],), (files[7],))
    assert [entry.name for entry in sort_by_lists(found, files, [0, 1], (), "").classes] == ["cat", "dog"]
    with pytest.raises(DataError, match=r"without a line in any split file \(1\): cow\. Fetch it\."):
        sort_by_lists(found, files, [1], make_names("dog", "cow"), "Fetch it.")
