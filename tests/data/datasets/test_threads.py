"""Images are fetched by several threads at once: every data set must give each of them the same pixels."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fedsilo.core import Examples
from fedsilo.data.datasets.digits import Digits
from fedsilo.data.datasets.emblems import Emblems
from fedsilo.data.datasets.image_folder import ImageFolder

FEW = Emblems(train_per_class_and_domain=1, test_per_class_and_domain=1)


def zipped(folder: Path) -> Examples:
    images = FEW.load(0).train
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(0, len(images), 2):
            images.fetch(i).save(folder / "one.png")
            archive.write(folder / "one.png", f"{images.labels[i]}/{i}.png")
    return ImageFolder(root=str(folder / "images.zip")).load(0).train


SETS: dict[str, Callable[[Path], Examples]] = {
    "emblems": lambda folder: FEW.load(0).train,
    "digits": lambda folder: Digits().load(0).train,
    "image_folder from a zip": zipped,
}


@pytest.mark.parametrize("name", SETS)
def test_threads_are_given_the_same_pixels_as_one(name: str, tmp_path: Path) -> None:
    images = SETS[name](tmp_path)
    numbers = [*range(min(len(images), 144))] * 2
    alone = [images.fetch(i).tobytes() for i in numbers[: len(numbers) // 2]] * 2
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda i: images.fetch(i).tobytes(), numbers))
    assert together == alone
