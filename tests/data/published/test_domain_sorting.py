import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Examples
from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import FolderSource, Member
from fedsilo.data.published.domain_sorting import RandomTestSplit, make_splits, report_gaps, sort_by_folders
from fedsilo.data.published.domain_tree import PlacedFile
from fedsilo.data.published.naming import make_names


def placed(*entries):
    """Files of (domain, class folder, split)."""
    return [
        PlacedFile(Member(f"{n}.png", (f"{n}.png",)), domain, folder, split)
        for n, (domain, folder, split) in enumerate(entries)
    ]


def test_folders_of_every_file_make_the_split_and_one_file_without_a_split_makes_none():
    files = placed((1, "dog", "test"), (0, "Cat", "train"), (0, "dog", "train"))
    sorting = sort_by_folders(files, (), published=True)
    assert [entry.name for entry in sorting.classes] == ["Cat", "dog"]
    assert (sorting.train, sorting.test) == ((files[1], files[2]), (files[0],))
    drawn = (files[1], files[2], files[0])  # by domain
    for loose in (sort_by_folders(files, (), False), sort_by_folders([*files, *placed((1, "dog", ""))], (), True)):
        assert (loose.train[:3], loose.test) == (drawn, ())


def test_folders_that_are_no_wanted_class_are_left_out_and_aliases_are_found():
    files = placed((0, "t_shirt", ""), (0, "unicorn", ""), (0, "Hound", ""))
    sorting = sort_by_folders(files, make_names(("dog", "hound"), "T-shirt"), published=True)
    assert sorting.train == (files[0], files[2])
    assert sorting.left_out == ("unicorn",)


def test_examples_have_the_wanted_domains_numbers_and_a_test_split_is_drawn(tmp_path):
    files = placed(*[(domain, folder, "") for domain in (2, 4) for folder in ("cat", "dog") for _ in range(4)])
    for number in range(len(files)):
        Image.new("RGB", (2, 2), (number, 0, 0)).save(tmp_path / f"{number}.png")
    sorting = sort_by_folders(files, (), published=True)
    drawing = RandomTestSplit(0.25, np.random.default_rng(0), "Fetch it.")
    train, test, notices = make_splits(FolderSource(str(tmp_path)), sorting, [4, 2], drawing)
    assert (len(train), len(test), notices) == (12, 4, [])
    for part in (train, test):
        for i in range(len(part)):
            number = part.fetch(i).getpixel((0, 0))[0]
            assert (part.labels[i], part.domains[i]) == (number // 4 % 2, 1 - number // 8)
    assert sorted(zip(test.labels, test.domains, strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_split_without_an_image_is_refused(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "0.png")
    sorting = sort_by_folders(placed((0, "cat", "")), (), published=True)
    drawing = RandomTestSplit(0.25, np.random.default_rng(0), "Fetch it.")
    with pytest.raises(DataError, match=r"no image is left for (train|test)\. Fetch it\."):
        make_splits(FolderSource(str(tmp_path)), sorting, [0], drawing)


def test_a_class_that_lacks_images_is_named_with_domain_and_split():
    def examples(labels, domains):
        return Examples(np.array(labels), np.array(domains), None, tuple(map(str, range(len(labels)))))

    train, test = examples([0, 1, 0], [0, 0, 1]), examples([0, 1, 0, 1], [0, 0, 1, 1])
    (line,) = report_gaps(train, test, ["cat", "dog"], ["art", "photo"])
    assert line.endswith("(1): dog in photo (train).")
    assert report_gaps(test, test, ["cat", "dog"], ["art", "photo"]) == []
