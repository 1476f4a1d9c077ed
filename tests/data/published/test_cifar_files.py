"""Small files in CIFAR's format: pickles with the published keys, whose md5 replaces that in torchvision."""

import hashlib
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from fedsilo.core.errors import DataError
from fedsilo.data.datasets.cifar10 import Cifar10
from fedsilo.data.datasets.cifar100 import Cifar100

COARSE = [3, 1, 0, 2, 1, 3]
FINE = ["apple", "aquarium_fish", "baby", "bear", "beaver", "bed"]


def pixels(labels: list[int], salt: int) -> np.ndarray:
    """(n, 3072) bytes, channel by channel as in the files; red is the label, green the number, blue the salt."""
    channels = np.zeros((len(labels), 3, 1024), dtype=np.uint8)
    channels[:, 0], channels[:, 1], channels[:, 2] = np.array(labels)[:, None], np.arange(len(labels))[:, None], salt
    return channels.reshape(len(labels), 3072)


def dump(path: Path, content: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both sets: CIFAR-100 with 12 training and 6 test images of 6 classes, CIFAR-10 with 5 times 4 and 4."""
    folder = tmp_path / "cifar-100-python"
    for split, labels in (("train", [5, 4, 3, 2, 1, 0] * 2), ("test", [0, 2, 4, 1, 3, 5])):
        content = {
            "data": pixels(labels, len(split)),
            "fine_labels": labels,
            "coarse_labels": [COARSE[label] for label in labels],
        }
        monkeypatch.setattr(datasets.CIFAR100, f"{split}_list", [[split, dump(folder / split, content)]])
    meta = dump(folder / "meta", {"fine_label_names": FINE, "coarse_label_names": list("wxyz")})
    monkeypatch.setattr(datasets.CIFAR100, "meta", {"filename": "meta", "key": "fine_label_names", "md5": meta})

    folder = tmp_path / "cifar-10-batches-py"
    batches = [f"data_batch_{number}" for number in range(1, 6)]
    for names, part in ((batches, "train_list"), (["test_batch"], "test_list")):
        found = []
        for salt, name in enumerate(names):
            labels = [1, 0, 0, 1]
            found.append([name, dump(folder / name, {"data": pixels(labels, salt), "labels": labels})])
        monkeypatch.setattr(datasets.CIFAR10, part, found)
    meta = dump(folder / "batches.meta", {"label_names": ["airplane", "automobile"]})
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": meta})
    return tmp_path


def test_every_image_stands_with_its_label(root):
    images = Cifar100(str(root)).load(seed=0)
    assert images.classes == ("apple", "aquarium fish", "baby", "bear", "beaver", "bed")
    assert (len(images.train), len(images.test)) == (12, 6)
    for split, salt in ((images.train, 5), (images.test, 4)):
        for i in range(len(split)):
            assert split.fetch(i).size == (32, 32)
            assert split.fetch(i).getpixel((31, 0)) == (split.labels[i], i, salt)


def test_the_batches_of_the_small_set_are_joined_in_order(root):
    images = Cifar10(str(root)).load(seed=0)
    assert images.classes == ("airplane", "automobile")
    assert [images.train.fetch(i).getpixel((0, 0)) for i in (0, 5, 19)] == [(1, 0, 0), (0, 1, 1), (1, 3, 4)]
    assert len(images.test) == 4
    assert images.groups == ()


def test_each_class_has_the_superclass_of_its_images(root):
    assert Cifar100(str(root)).load(seed=0).groups == tuple(COARSE)


def test_digests_tell_images_apart_and_images_survive_pickling(root):
    split = Cifar100(str(root)).load(seed=0).train
    assert len(set(split.digests)) == 12
    assert split.digests == Cifar100(str(root)).load(seed=1).train.digests
    assert pickle.loads(pickle.dumps(split)).fetch(7).tobytes() == split.fetch(7).tobytes()


def refusal(root: Path, **keys) -> str:
    with pytest.raises(DataError) as caught:
        Cifar100(str(root), **keys).load(seed=0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_missing_or_damaged_is_one_line(root, tmp_path):
    line = refusal(tmp_path / "nowhere")
    assert "there is no folder 'cifar-100-python' in" in line
    assert "cifar-100-python.tar.gz" in line
    assert "data.download=true" in line
    with (root / "cifar-100-python" / "test").open("ab") as file:
        file.write(b"x")
    assert "holds other files than the published ones" in refusal(root)
    (root / "cifar-100-python" / "meta").unlink()
    (root / "cifar-100-python" / "test").unlink()
    assert "cifar-100-python lacks test, meta. Unpack " in refusal(root)


def test_a_download_that_fails_is_one_line(root, tmp_path, monkeypatch):
    def offline(*arguments, **options):
        raise OSError("<urlopen error\n no route to host>")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    line = refusal(tmp_path / "nowhere", download=True)
    assert (
        "cifar-100-python.tar.gz: could not be fetched: <urlopen error no route to host>. Try again: it continues"
        in line
    )


def test_damaged_and_missing_files_are_replaced_by_a_download(root, tmp_path, monkeypatch):
    archive = tmp_path / "served" / "cifar-100-python.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(root / "cifar-100-python", "cifar-100-python")
    (published,) = Cifar100.card.archives
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    here = replace(published, url=f"file://{archive}", md5=md5)
    monkeypatch.setattr(Cifar100, "card", replace(Cifar100.card, archives=(here,)))
    (root / "cifar-100-python" / "test").write_bytes(b"damaged")
    (root / "cifar-100-python" / "meta").unlink()
    assert len(Cifar100(str(root), download=True).load(seed=0).test) == 6
    assert len(Cifar100(str(tmp_path / "new"), download=True).load(seed=0).train) == 12


def test_missing_data_is_no_fault_of_the_scenario(tmp_path):
    assert Cifar10(root=str(tmp_path / "nowhere")).problems() == []
    assert [line.split(":")[0] for line in Cifar10(root="", template="x").problems()] == ["root", "template"]
