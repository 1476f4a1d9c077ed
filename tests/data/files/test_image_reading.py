from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PIL import Image

from fedsilo.data.datasets.image_folder import ImageFolder
from fedsilo.data.files.file_sources import FolderSource
from fedsilo.data.files.image_reading import inspect, inspection_told


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for kind in ("cat", "dog"):
        (folder / kind).mkdir()
        for number in range(130):
            Image.new("RGB", (4, 4), (number, 0, len(kind))).save(folder / kind / f"{number:03}.png")
    return folder


def test_findings_come_in_order_and_no_thread_stays(root: Path) -> None:
    names = [f"{kind}/{number:03}.png" for kind in ("dog", "cat") for number in range(130)]
    found = inspect(FolderSource(str(root)), [*names, "cat/none.png"])
    assert [finding.digest for finding in inspect(FolderSource(str(root)), names[::-1])] == [
        finding.digest for finding in found[-2::-1]
    ]
    assert found[-1].fault.startswith("cannot be read")
    assert not any(finding.fault for finding in found[:-1])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fedsilo-ahead")]


def test_progress_is_reported_only_inside_the_context(root: Path) -> None:
    told: list[tuple[int, int]] = []
    with inspection_told(lambda done, total: told.append((done, total))):
        loaded = ImageFolder(root=str(root)).load(0)
    assert told == [(1, 260), (101, 260), (201, 260), (260, 260)]
    again = ImageFolder(root=str(root)).load(0)
    assert len(told) == 4
    assert again.train.digests == loaded.train.digests
