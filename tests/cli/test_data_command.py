"""`fedsilo data` of a data set that is there, that is missing, and that is downloaded."""

import functools
import hashlib
import http.server
import json
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from fedsilo.core import Dataset
from fedsilo.core.registry import find, names
from fedsilo.data.datasets.oxford_pets import OxfordPets
from fedsilo.data.published.dataset_card import Archive

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "data.md"


@pytest.fixture(scope="module")
def call(command, tmp_path_factory):
    """Calls `fedsilo data` in a folder of its own."""
    return command("data", tmp_path_factory.mktemp("here"))


def pets(root: Path) -> None:
    """Three breeds in torchvision's layout: 4 images of each to train on, 2 to be measured on."""
    home = root / "oxford-iiit-pet"
    (home / "images").mkdir(parents=True)
    (home / "annotations").mkdir()
    for split, count in (("trainval", 4), ("test", 2)):
        lines = []
        for label, breed in enumerate(("Abyssinian", "american_bulldog", "beagle"), 1):
            for number in range(count):
                name = f"{breed}_{split}{number}"
                Image.new("RGB", (8, 8), (label, number, count)).save(home / "images" / f"{name}.jpg", "PNG")
                lines.append(f"{name} {label} 1 1")
        (home / "annotations" / f"{split}.txt").write_text("\n".join(lines))


def test_check_prints_what_a_scenario_would_get(call, tmp_path):
    pets(tmp_path)
    out, err = call("check", "oxford_pets", "--root", str(tmp_path))
    assert err == ""
    assert "3 classes: abyssinian, american bulldog, beagle\n" in out
    assert "images of a class: 4 to 4 for training, 2 to 2 for testing\n" in out
    assert "template: a photo of a {}, a type of pet.\n" in out
    assert "note: oxford_pets by annotations/trainval.txt and test.txt: 3 classes, 12 training and 6 test" in out
    assert "in 18 files, 18 of 18 images decoded, all sound\n" in out


def test_check_as_json_has_the_same_and_takes_the_set_s_keys(call, tmp_path):
    pets(tmp_path)
    document = json.loads(call("check", "oxford_pets", "template=a {}!", "--root", str(tmp_path), "--json")[0])
    assert document["template"] == "a {}!"
    assert document["domains"] == [{"name": "oxford_pets", "train": 12, "test": 6}]
    assert document["files"] == 18
    assert document["bytes"] == sum(file.stat().st_size for file in tmp_path.rglob("*.jpg"))


@pytest.mark.parametrize("name", [name for name in names(Dataset) if hasattr(find(Dataset, name), "card")])
def test_a_set_that_is_not_there_is_one_line_and_exit_code_2(call, name, tmp_path):
    out, err = call("check", name, "--root", str(tmp_path), code=2)
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("data.root: there is no folder '")
    assert str(tmp_path) in err


def test_every_wrong_key_is_named(call):
    _, err = call("check", "oxford_pets", "splitt=coop", "template=x", code=2)
    assert "data.splitt: unknown key. Did you mean 'split'?" in err
    _, err = call("check", "oxford_pts", code=2)
    assert "Did you mean 'oxford_pets'?" in err


def test_a_broken_image_is_found_among_all(call, tmp_path):
    pets(tmp_path)
    (tmp_path / "oxford-iiit-pet" / "images" / "beagle_trainval1.jpg").write_bytes(b"no image")
    _, err = call("check", "oxford_pets", "--root", str(tmp_path), "--all", code=2)
    assert err.startswith("1 of 12 images are broken: beagle_trainval1.jpg: not a sound image: not an image")
    assert err.count("\n") == 1


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Serves the pets as two archives, in the place of the real ones."""
    served = tmp_path / "served"
    pets(served)
    archives = []
    for part in ("images", "annotations"):
        file = served / f"{part}.tar.gz"
        with tarfile.open(file, "w:gz") as archive:
            archive.add(served / "oxford-iiit-pet" / part, part)
        archives.append((file.name, hashlib.md5(file.read_bytes()).hexdigest(), part))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served))) as running:
        url = f"http://127.0.0.1:{running.server_address[1]}"
        card = replace(
            OxfordPets.card,
            archives=tuple(Archive(f"{url}/{name}", "oxford-iiit-pet", (part,), md5) for name, md5, part in archives),
        )
        monkeypatch.setattr(OxfordPets, "card", card)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        running.shutdown()
        thread.join()


def test_get_fetches_what_check_then_finds(call, published, tmp_path):
    root = str(tmp_path / "new")
    out, err = call("get", "oxford_pets", "--root", root)
    assert (out.splitlines()[0], err) == (f"oxford_pets: fetched images.tar.gz, annotations.tar.gz ({root})", "")
    assert call("get", "oxford_pets", "--root", root)[0].startswith("oxford_pets: everything is there")
    assert "18 of 18 images decoded" in call("check", "oxford_pets", "--root", root)[0]


def test_download_in_a_scenario_does_the_same(call, published, tmp_path):
    assert "18 of 18" in call("check", "oxford_pets", "download=true", "--root", str(tmp_path / "new"))[0]
    (published / "images.tar.gz").unlink()
    assert "18 of 18" in call("check", "oxford_pets", "download=true", "--root", str(tmp_path / "new"))[0]
    _, err = call("check", "oxford_pets", "download=true", "--root", str(tmp_path / "other"), code=2)
    assert "images.tar.gz: could not be fetched: HTTP Error 404" in err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pacs", "cannot be downloaded by fedsilo. PACS.zip is linked"),
        ("emblems", "has no files to download."),
    ],
)
def test_what_cannot_be_fetched_says_how_to_get_it(call, name, words, tmp_path):
    assert call("get", name, "--root", str(tmp_path), code=2)[1].startswith(f"{name}: {words}")


def test_the_table_of_the_documentation_is_the_code_s(call):
    shown = DOCUMENT.read_text(encoding="utf-8").partition("<!-- table: fedsilo data list --markdown -->\n")[2]
    assert shown.partition("<!-- end -->")[0] == call("list", "--markdown")[0]


def test_list_has_every_set_with_a_card(call):
    listed = json.loads(call("list", "--json")[0])
    assert [card["name"] for card in listed] == [
        name for name in names(Dataset) if hasattr(find(Dataset, name), "card")
    ]
    assert len(listed) == 23
