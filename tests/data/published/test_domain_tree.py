import pytest

from fedsilo.core.errors import DataError
from fedsilo.data.files.file_sources import FolderSource, Member, ZipSource
from fedsilo.data.published.domain_tree import PlacedFile, locate, place_file

DOMAINS = {"art": 0, "realworld": 1}


@pytest.mark.parametrize(
    ("path", "in_name", "expected"),
    [
        ("around/Real World/dog/1.jpg", False, (1, "dog", "")),
        ("art/dog/1.JPG", False, (0, "dog", "")),
        ("train/art/dog/1.png", False, (0, "dog", "train")),
        ("art/test_images/dog/1.png", False, (0, "dog", "test")),
        ("art/crossval/dog/1.png", False, (0, "dog", "train")),
        ("art/train_images/17_dog.png", True, (0, "dog", "train")),
        ("art/train_images/17_dog.png", False, (0, "train_images", "")),
        ("photo/dog/1.jpg", False, None),
        ("art/dog/notes.txt", False, None),
        ("art/dog/deep/1.jpg", False, None),
        ("art/1.jpg", False, None),
    ],
)
def test_folders_name_domain_class_and_split(path, in_name, expected):
    member = Member(path, tuple(path.split("/")))
    assert place_file(member, DOMAINS, in_name) == (expected and PlacedFile(member, *expected))


def test_a_set_is_a_folder_or_a_zip_below_the_root_or_the_root_itself(tmp_path):
    with pytest.raises(DataError, match=r"there is no folder 'office' in .* Fetch it\."):
        locate(str(tmp_path), ["office", "Office"], DOMAINS, "Fetch it.")
    (tmp_path / "around" / "Art").mkdir(parents=True)
    assert locate(str(tmp_path), ["office"], DOMAINS, "") == FolderSource(str(tmp_path))
    (tmp_path / "Office.zip").touch()
    assert locate(str(tmp_path), ["office", "Office"], DOMAINS, "") == ZipSource(str(tmp_path / "Office.zip"))
    (tmp_path / "office").mkdir()
    assert locate(str(tmp_path), ["office", "Office"], DOMAINS, "") == FolderSource(str(tmp_path / "office"))
