"""Multi-domain sets on small trees in common layouts, and on the real files.

The first pixel of every image says its label, its domain and its split (1 train, 2 test, 0 none); the last is its own.
"""

import itertools
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Dataset
from fedsilo.core.errors import DataError
from fedsilo.core.registry import find, names
from fedsilo.data.published.naming import index_names, normalize, sort_as_published

DATA = Path(os.environ.get("FEDSILO_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
SETS = [name for name in names(Dataset) if hasattr(getattr(find(Dataset, name), "layout", None), "domains")]
THINGS = [
    "aircraft_carrier",
    "cell_phone",
    "cello",
    "ice_cream",
    "t-shirt",
    "The_Eiffel_Tower",
    "tent",
    "trumpet",
    "zebra",
]
PUBLISHED = [
    "aircraft_carrier",
    "cello",
    "cell_phone",
    "ice_cream",
    "tent",
    "The_Eiffel_Tower",
    "trumpet",
    "t-shirt",
    "zebra",
]
_serial = itertools.count()


def put(file: Path, label: int, domain: int, code: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture, serial = Image.new("RGB", (6, 5), (label, domain, code)), next(_serial)
    picture.putpixel((5, 4), (serial % 256, serial // 256 % 256, 0))
    picture.save(file, "PNG")


def tree(name: str, home: Path, pattern: str = "{domain}/{label}/{n}.jpg", each: int = 4) -> None:
    """Files of all domains and classes; a pattern with {split} has half of the images in each split."""
    layout = find(Dataset, name).layout
    for (d, domain), (k, label), n in itertools.product(
        enumerate(layout.domains), enumerate(layout.classes), range(each)
    ):
        code = 1 + (n >= each // 2) if "{split}" in pattern else 0
        path = pattern.format(
            domain=(*domain.aliases, domain.name)[0], label=label.name, k=k, n=n, split=("train", "test")[code == 2]
        )
        put(home / path, k, d, code)


def domainnet(root: Path, things=THINGS, numbers=PUBLISHED) -> dict[str, list[str]]:
    """DomainNet with its lists; as in the original there is no t-shirt to train on among the paintings."""
    home, lists = root / "domainnet", {}
    for d, domain in enumerate(find(Dataset, "domainnet").card.domains):
        for thing, (split, code), n in itertools.product(things, (("train", 1), ("test", 2)), range(2)):
            if (domain, thing, split) == ("painting", "t-shirt", "train"):
                continue
            path = f"{domain}/{thing}/{domain}_{code}{n}.jpg"
            put(home / path, numbers.index(thing), d, code)
            lists.setdefault(f"{domain}_{split}.txt", []).append(f"{path} {numbers.index(thing)}")
    for file, lines in lists.items():
        (home / file).write_text("".join(f"{line}\n" for line in reversed(lines)))
    return lists


def pacs(root: Path) -> None:
    layout = find(Dataset, "pacs").layout
    for d, domain in enumerate(layout.domains):
        lists = {"train": [], "crossval": [], "test": []}
        for (k, label), n in itertools.product(enumerate(layout.classes), range(4)):
            path, split = f"{domain.name}/{label.name}/pic_{n}.jpg", "crossval" if n == 3 else "train"
            put(root / "pacs" / "images" / path, k, d, 2 if n == 3 else 1)
            lists[split].append(f"{path} {k + 1}")
            lists["test"].append(f"{path} {k + 1}")
        lists["train"] += ["sketch/dog/n02103406_4068-1.png 1"] if domain.name == "sketch" else []
        for split, lines in lists.items():
            file = root / "pacs" / "splits" / f"{domain.name}_{split}_kfold.txt"
            file.parent.mkdir(exist_ok=True)
            file.write_text("\n".join(lines))


def load(name: str, root: Path, seed: int = 0, **keys):
    return find(Dataset, name)(root=str(root), **keys).load(seed)


def refusal(name: str, root: Path, **keys) -> str:
    with pytest.raises(DataError) as caught:
        load(name, root, **keys)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def codes(part) -> Counter[int]:
    """How many images of each split a part has; every image stands with its label and domain."""
    pictures = [part.fetch(i).getpixel((0, 0)) for i in range(len(part))]
    assert [picture[0] for picture in pictures] == part.labels.tolist()
    assert [picture[1] for picture in pictures] == part.domains.tolist()
    return Counter(picture[2] for picture in pictures)


TREES = [name for name in SETS if name != "domainnet"]


@pytest.mark.parametrize("name", TREES)
def test_a_tree_of_domains_and_classes_is_read_in_the_published_order(name, tmp_path):
    layout, card = find(Dataset, name).layout, find(Dataset, name).card
    tree(name, tmp_path / layout.folders[0])
    images = load(name, tmp_path)
    assert images.classes == tuple(entry.name for entry in layout.classes)
    assert images.domains == card.domains
    assert len(images.classes) == card.classes
    assert images.template == card.template
    assert codes(images.train) == {0: 3 * len(images.classes) * len(images.domains)}
    assert codes(images.test) == {0: len(images.classes) * len(images.domains)}
    assert not set(images.train.digests) & set(images.test.digests)
    cells = images.test.domains * len(images.classes) + images.test.labels
    assert len(set(cells.tolist())) == len(cells)
    assert len(images.notices) == 1


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("vlcs", "VLCS/{domain}/{split}/{k}/im{n}.jpg"),
        ("digits_five", "digit5/{domain}/{split}_images/{n}{k}_{label}.png"),
        ("digits_five", "digits_five/{domain}/{split}/{label}/{n}.png"),
        ("office_caltech10", "OfficeCaltech10/{split}/{domain}/{label}/{n}.jpg"),
        ("pacs", "PACS/kfold/{domain}/{split}/{label}/{n}.jpg"),
    ],
)
def test_folders_that_say_the_split_are_heeded(name, pattern, tmp_path):
    tree(name, tmp_path, pattern)
    images = load(name, tmp_path)
    half = 2 * len(images.classes) * len(images.domains)
    assert (codes(images.train), codes(images.test)) == ({1: half}, {2: half})
    assert "by its train and test folders" in images.notices[0]
    assert len(load(name, tmp_path, split="drawn").test) == half // 2


def test_validation_images_count_as_training(tmp_path):
    tree("vlcs", tmp_path, "VLCS/{domain}/{split}/{k}/im{n}.jpg")
    for domain in (tmp_path / "VLCS").iterdir():
        (domain / "crossval").mkdir()
        (domain / "train" / "3").rename(domain / "crossval" / "3")
    assert codes(load("vlcs", tmp_path).train) == {1: 2 * 5 * 4}


@pytest.mark.parametrize("around", ["", "one/two/"])
@pytest.mark.parametrize("how", ["itself", "zip", "zip below"])
def test_the_root_may_be_the_folder_itself_or_a_zip(how, around, tmp_path):
    tree("office_caltech10", tmp_path / "images" / around)
    expected = load("office_caltech10", tmp_path / "images" / around)
    if how != "itself":
        with zipfile.ZipFile(tmp_path / "office_caltech10.zip", "w") as archive:
            for file in sorted((tmp_path / "images").rglob("*.jpg"), reverse=True):
                archive.write(file, file.relative_to(tmp_path / "images"))
    root = {"itself": tmp_path / "images" / around, "zip": tmp_path / "office_caltech10.zip", "zip below": tmp_path}[
        how
    ]
    images = load("office_caltech10", root)
    assert images.train.digests == expected.train.digests
    assert codes(images.test) == {0: 40}


def test_published_lists_are_the_split_of_domainnet(tmp_path):
    domainnet(tmp_path)
    images = load("domainnet", tmp_path)
    assert images.classes == tuple(name.replace("_", " ") for name in PUBLISHED)
    assert (codes(images.train), codes(images.test)) == ({1: 6 * 18 - 2}, {2: 6 * 18})
    assert "domainnet by its split files: 6 domains x 9 classes, 106 training and 108 test" in images.notices[0]
    assert images.notices[1] == "Classes without an image in a split or domain (1): t-shirt in painting (train)."
    files = list(images.train.fetch.names)
    assert files == sorted(files, key=lambda name: name.split("/")[0])
    assert files[0] == "clipart/zebra/clipart_11.jpg"  # in the order of the lists, which is not that of the files


def test_the_ten_classes_have_fedbn_s_order(tmp_path):
    ten = [entry.name.replace(" ", "_") for entry in sys.modules[find(Dataset, "domainnet").__module__].TEN]
    domainnet(tmp_path, [*ten, "cell_phone"], ["cell_phone", *ten])
    images = load("domainnet", tmp_path, classes="ten")
    assert images.classes == (
        "bird", "feather", "headphones", "ice cream", "teapot", "tiger", "whale", "windmill", "wine glass", "zebra",
    )  # fmt: skip
    names_of_files = [Path(name).parts[1].replace("_", " ") for name in images.train.fetch.names]
    assert names_of_files == [images.classes[label] for label in images.train.labels]
    assert len(images.train) == len(images.test) == 6 * 10 * 2
    domainnet(tmp_path / "few", ten[:7], ten[:7])
    line = refusal("domainnet", tmp_path / "few", classes="ten")
    assert "Classes without a line in any split file (3): windmill, wine glass, zebra." in line


def test_without_lists_the_classes_of_domainnet_still_have_their_order_and_the_test_is_drawn(tmp_path):
    lists = domainnet(tmp_path)
    for file in lists:
        (tmp_path / "domainnet" / file).unlink()
    images = load("domainnet", tmp_path)
    assert images.classes == tuple(name.replace("_", " ") for name in PUBLISHED)
    assert "drawn by the seed: 0.25 of each class and domain" in images.notices[0]
    codes(images.train)
    assert "no published split: clipart_train.txt, clipart_test.txt, " in refusal(
        "domainnet", tmp_path, split="published"
    )


def test_the_published_order_ignores_capitals_and_what_stands_between():
    assert sort_as_published(reversed(THINGS)) == PUBLISHED


def test_every_missing_list_is_named(tmp_path):
    for file in domainnet(tmp_path):
        (tmp_path / "domainnet" / file).rename(tmp_path / "elsewhere")
        assert f"{file} missing beside the other split files." in refusal("domainnet", tmp_path)
        (tmp_path / "elsewhere").rename(tmp_path / "domainnet" / file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "real_test.txt: it is empty."),
        (
            "real/zebra/real_20.jpg\n",
            "real_test.txt: not a list of images with class numbers: invalid literal for int()",
        ),
        ("zebra.jpg 3\n", "is not <domain>/<class>/<file> with a number from 0 on"),
        ("real/zebra/real_20.jpg -1\n", "with a number from 0 on"),
        ("real/zebra/real_77.jpg 8\n", "missing images of the test list (1): real/zebra/real_77.jpg."),
        ("real/zebra/real_20.jpg 3\n", "the split files give number 3 to 'ice_cream' and to 'zebra'."),
        ("real/zebra/real_20.jpg 11\n", "numbers must run without a gap, one for each class; there are 10 up to 11."),
        (b"\xff\xfe", "not a list of images with class numbers: 'utf-8' codec"),
    ],
)
def test_a_damaged_list_is_one_line(content, words, tmp_path):
    domainnet(tmp_path)
    file = tmp_path / "domainnet" / "real_test.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert words in refusal("domainnet", tmp_path)


def test_the_lists_of_pacs_are_found_beside_the_images(tmp_path):
    pacs(tmp_path)
    images = load("pacs", tmp_path)
    assert (codes(images.train), codes(images.test)) == ({1: 4 * 7 * 3}, {2: 4 * 7})
    assert images.classes[0] == "dog"


@pytest.mark.parametrize("name", TREES)
def test_missing_domains_are_all_named_and_those_that_are_there_can_be_asked_for(name, tmp_path):
    layout, domains = find(Dataset, name).layout, find(Dataset, name).card.domains
    tree(name, tmp_path / layout.folders[0], "{domain}/{label}/{n}.jpg", each=2)
    for domain in layout.domains[1:3]:
        (tmp_path / layout.folders[0] / (*domain.aliases, domain.name)[0]).rename(tmp_path / domain.name)
    line = refusal(name, tmp_path)
    assert f"no image of {domains[1]}, {domains[2]} at <domain>/<class>/*." in line
    have = [domain for domain in domains if domain not in domains[1:3]]
    assert f"Or name the existing ones: data.domains=[{','.join(have)}]." in line
    images = load(name, tmp_path, domains=tuple(reversed(have)))
    assert images.domains == tuple(have)
    assert set(images.train.domains.tolist()) == set(range(len(have)))
    labels = [images.train.fetch(i).getpixel((0, 0))[0] for i in range(len(images.train))]
    assert labels == images.train.labels.tolist()


@pytest.mark.parametrize("name", SETS)
def test_where_nothing_is_there_is_one_line_with_where_and_how(name, tmp_path):
    layout, card = find(Dataset, name).layout, find(Dataset, name).card
    for root in (tmp_path, tmp_path / "nowhere"):
        line = refusal(name, root)
        assert line.startswith(f"data.root: there is no folder '{layout.folders[0]}' in '{root}' (looked for {root}/")
        assert card.get in line


@pytest.mark.parametrize("name", SETS)
def test_no_two_names_of_a_set_are_one(name):
    layout = find(Dataset, name).layout
    for entries in (layout.domains, layout.classes):
        written = [normalize(text) for entry in entries for text in (entry.name, *entry.aliases)]
        assert set(index_names(entries)) == set(written)
        assert len({*zip(written, map(index_names(entries).get, written), strict=True)}) == len(set(written))
    assert find(Dataset, name).card.name == name


def test_an_image_in_both_lists_is_reported(tmp_path):
    domainnet(tmp_path)
    home = tmp_path / "domainnet" / "real" / "cello"
    (home / "real_20.jpg").write_bytes((home / "real_10.jpg").read_bytes())
    notices = load("domainnet", tmp_path).notices
    assert "Images that are byte for byte both in training and in test (1): real/cello/real_20.jpg." in notices


def test_copies_stay_in_one_split_and_unknown_folders_are_reported(tmp_path):
    tree("pacs", tmp_path / "PACS", each=6)
    folder = tmp_path / "PACS" / "photo" / "dog"
    for file in sorted(folder.iterdir())[1:5]:
        file.write_bytes((folder / "0.jpg").read_bytes())
    put(tmp_path / "PACS" / "photo" / "unicorn" / "0.jpg", 9, 9)
    put(tmp_path / "PACS" / "README.jpg", 9, 9)
    for seed in range(4):
        images = load("pacs", tmp_path, seed)
        assert not set(images.train.digests) & set(images.test.digests)
    assert images.notices[1] == "Folders that are no class of the set are left out (1): unicorn."


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"root": "", "template": "x", "test_fraction": 0.0}, ["root", "template", "test_fraction"]),
        ({"domains": ("photo", "fresco")}, ["domains"]),
        ({"domains": ("photo", "Photo")}, ["domains"]),
        ({"domains": ("Sketch",)}, []),
    ],
)
def test_impossible_keys_are_all_named(keys, expected):
    assert [line.split(":")[0] for line in find(Dataset, "pacs")(**keys).problems()] == expected


PROGRAM = """
import hashlib, sys
from fedsilo.core import Dataset
from fedsilo.core.registry import find
for name in ("domainnet", "office_home"):
    images = find(Dataset, name)(root=sys.argv[1]).load(0)
    parts = [(p.labels.tolist(), p.domains.tolist(), p.digests) for p in (images.train, images.test)]
    print(images.classes[:3], hashlib.sha256(repr((images.classes, images.domains, parts)).encode()).hexdigest())
"""


def test_classes_and_images_do_not_depend_on_the_hash_seed(tmp_path):
    domainnet(tmp_path)
    tree("office_home", tmp_path / "office_home", each=2)
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert printed.pop().count("\n") == 2


def test_the_real_office_pack_is_what_the_plain_folder_reader_makes_of_it():
    pack = DATA / "office_caltech10_96px.zip"
    if not pack.is_file():
        pytest.skip(f"the real pack {pack.name} is not here; set FEDSILO_DATA to its folder")
    images, same = load("office_caltech10", pack, seed=3), load("image_folder", pack, seed=3)
    assert images.classes == same.classes
    assert images.domains == ("amazon", "caltech", "dslr", "webcam")
    for ours, theirs in ((images.train, same.train), (images.test, same.test)):
        assert ours.digests == theirs.digests
        assert np.array_equal(ours.labels, theirs.labels)
        assert np.array_equal(ours.domains, theirs.domains)
    assert len(images.train) + len(images.test) == 2533
    assert min(images.test.fetch(5).size) == 96
