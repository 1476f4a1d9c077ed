import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Examples, LabelledImages, Share
from fedsilo.core.errors import DataError, RunError
from fedsilo.partitioning.manifest import Manifest, fingerprint_data, freeze


def blank(i):
    return Image.new("RGB", (1, 1))


def images(digest="c", label=1, domain=0):
    """Four training and two test images of two classes in two domains; the last training image can be varied."""
    train = Examples(np.array([0, 0, 1, label]), np.array([0, 1, 1, domain]), blank, ("9", "a", "b", digest))
    test = Examples(np.array([0, 1]), np.array([0, 1]), blank, ("d", "e"))
    return LabelledImages(("cat", "großer Hund"), ("photo", "sketch"), "a {}", train, test)


SHARES = [
    Share(np.array([0, 3]), np.array([0]), "photo"),
    Share(np.array([1, 2]), np.array([1]), "sketch"),
]


def manifest():
    return freeze(images(), SHARES, {"name": "by hand", "beta": 0.3}, 7)


def test_a_client_is_recorded_with_its_histograms():
    first = manifest().clients[0]
    assert (first.number, first.name, first.domain) == (0, "client 00", "photo")
    assert (first.train, first.test) == ((0, 3), (0,))
    assert (first.train_classes, first.test_classes) == ((1, 1), (1, 0))
    assert (first.train_domains, first.test_domains) == ((2, 0), (1, 0))


def test_names_are_as_wide_as_the_largest_number():
    nothing = Share(np.array([0]), np.array([0]))
    assert freeze(images(), [nothing] * 100, {}, 0).clients[3].name == "client 03"
    assert freeze(images(), [nothing] * 101, {}, 0).clients[3].name == "client 003"


def test_a_written_manifest_reads_back_equal(tmp_path):
    manifest().write(tmp_path / "partition.json")
    again = Manifest.read(tmp_path / "partition.json")
    assert again == manifest()
    assert again.sha256 == manifest().sha256
    for share, expected in zip(again.shares(), SHARES, strict=True):
        assert np.array_equal(share.train, expected.train)
        assert share.domain == expected.domain


def test_the_file_says_a_client_a_line(tmp_path):
    manifest().write(tmp_path / "partition.json")
    text = (tmp_path / "partition.json").read_text()
    assert sum('"name":"client' in line for line in text.splitlines()) == 2
    assert json.loads(text)["sha256"] == manifest().sha256


def test_writing_leaves_no_other_file_behind(tmp_path):
    for _ in range(2):
        manifest().write(tmp_path / "partition.json")
    assert [path.name for path in tmp_path.iterdir()] == ["partition.json"]


def test_writing_into_nothing_is_a_plain_error(tmp_path):
    with pytest.raises(RunError, match="cannot be written"):
        manifest().write(tmp_path / "absent" / "partition.json")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:-40], "damaged or not a partition manifest"),
        (lambda text: text.replace('"train":[0,3]', '"train":[0,2]'), "edited or damaged"),
        (lambda text: text.replace('"seed": 7', '"seed": 8'), "edited or damaged"),
        (lambda text: "[]", "not a partition manifest of this version"),
        (lambda text: "", "damaged or not a partition manifest"),
        (lambda text: text.replace("partition 1", "partition 9"), "format 'fedsilo partition 9'"),
    ],
)
def test_damage_is_one_line(damage, words, tmp_path):
    path = tmp_path / "partition.json"
    manifest().write(path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(DataError, match=words) as caught:
        Manifest.read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_order_of_a_rules_keys_does_not_matter():
    one, other = ({"name": "iid", "clients": 3}, {"clients": 3, "name": "iid"})
    assert freeze(images(), SHARES, one, 0).sha256 == freeze(images(), SHARES, other, 0).sha256


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        Manifest.read(tmp_path / "partition.json")


@pytest.mark.parametrize("train", [[3, 0], [0, 0], [0, 4], [-1, 0]])
def test_positions_that_cannot_be_are_refused_even_with_a_sound_hash(train, tmp_path):
    forged = freeze(images(), SHARES, {}, 0)
    first, second = forged.clients
    unsound = type(first)(**{**{name: getattr(first, name) for name in first.__slots__}, "train": tuple(train)})
    content = {name: getattr(forged, name) for name in forged.__slots__}
    Manifest(**{**content, "clients": (unsound, second)}).write(tmp_path / "partition.json")
    with pytest.raises(DataError, match="not a sound partition manifest: client 00 holds train positions"):
        Manifest.read(tmp_path / "partition.json")


@pytest.mark.parametrize("change", [{"digest": "x"}, {"label": 0}, {"domain": 1}])
def test_the_fingerprint_sees_bytes_labels_and_domains(change):
    assert fingerprint_data(images(**change)) != fingerprint_data(images())
    with pytest.raises(DataError, match=r"here\.json: this partition was made from other data: fingerprint"):
        manifest().check(images(**change), where="here.json")


def test_the_same_data_is_accepted():
    manifest().check(images(), where="here.json")


def test_the_split_hash_ignores_how_the_split_was_made():
    other = freeze(images(), SHARES, {"name": "manifest"}, 8)
    assert other.split_sha256 == manifest().split_sha256
    assert other.sha256 != manifest().sha256
    assert freeze(images(), SHARES[::-1], {}, 8).split_sha256 != other.split_sha256


@pytest.mark.parametrize(
    "change",
    [{"seen": False}, {"alteration": "blur 3"}, {"train_labels": np.array([1, 0])}, {"test_labels": np.array([1])}],
    ids=lambda change: next(iter(change)),
)
def test_deviations_of_a_client_are_part_of_the_split_and_survive_the_file(change, tmp_path):
    other = freeze(images(), [replace(SHARES[0], **change), *SHARES[1:]], {"name": "by hand", "beta": 0.3}, 7)
    assert other.split_sha256 != manifest().split_sha256
    other.write(tmp_path / "partition.json")
    assert Manifest.read(tmp_path / "partition.json") == other
    (name, value), found = next(iter(change.items())), other.shares()[0]
    assert np.array_equal(getattr(found, name), value)
