"""Stanford Cars: 16,185 photographs of 196 models of cars.

    <root>/stanford_cars/  split_zhou_StanfordCars.json, cars_train/*.jpg, cars_test/*.jpg         CoOp's layout
    <root>/stanford_cars/  devkit/cars_meta.mat, devkit/cars_train_annos.mat,
                           cars_test_annos_withlabels.mat, cars_train/, cars_test/           torchvision's layout

Class names start with the year ("2012 AM General Hummer SUV"), as in CoOp, in the order of the devkit's class numbers.
CoOp trains on 6,509 of the 8,144 training images; the 8,041 test images are the same.

The home page no longer exists and torchvision no longer downloads the set. Copies are on Kaggle and in torchvision's
issues (7545); the files of any copy must lie as above.

Source: Krause, Stark, Deng, Fei-Fei, "3D object representations for fine-grained categorization", ICCV workshop 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedsilo.data.published.coop_layout import CoopLayout
from fedsilo.data.published.coop_sets import CoopSet
from fedsilo.data.published.dataset_card import Card
from fedsilo.data.published.labelled_images import Lists, Row, make_row

META = "devkit/cars_meta.mat"
ANNOTATIONS = ("devkit/cars_train_annos.mat", "cars_test_annos_withlabels.mat")


@dataclass(frozen=True, slots=True)
class StanfordCars(CoopSet):
    """Stanford Cars: 196 models of cars, with CoOp's split or the published one."""

    card: ClassVar[Card] = Card(
        name="stanford_cars",
        classes=196,
        images=16_185,
        template="a photo of a {}.",
        lies="stanford_cars/cars_train, cars_test, and split_zhou_StanfordCars.json or devkit",
        get=(
            "Its home page is gone: take a copy, for example from Kaggle "
            "(https://github.com/pytorch/vision/issues/7545), and unpack it so that cars_train/, cars_test/, devkit/ "
            "and cars_test_annos_withlabels.mat lie in stanford_cars/."
        ),
    )
    layout: ClassVar[CoopLayout] = CoopLayout(
        ("stanford_cars",), "", "split_zhou_StanfordCars.json", (META, *ANNOTATIONS)
    )

    def read_own_lists(self, home: Path) -> Lists:
        """Reads the annotations of both splits: structures with file name and class number from 1.

        Args:
            home: The set's folder.

        Returns:
            The images by split.
        """
        from scipy.io import loadmat

        names = [_year_first(str(name)) for name in loadmat(home / META, squeeze_me=True)["class_names"]]
        train, test = (
            _rows(loadmat(home / file, squeeze_me=True)["annotations"], folder, names)
            for file, folder in zip(ANNOTATIONS, ("cars_train", "cars_test"), strict=True)
        )
        return Lists(train, test, f"{ANNOTATIONS[0]} and {ANNOTATIONS[1]}")


def _rows(annotations: object, folder: str, names: list[str]) -> tuple[Row, ...]:
    import numpy as np

    entries = np.atleast_1d(np.asarray(annotations))
    return tuple(
        make_row(f"{folder}/{entry['fname']}", int(entry["class"]) - 1, names[int(entry["class"]) - 1])
        for entry in entries
    )


def _year_first(name: str) -> str:
    model, _, year = name.rpartition(" ")
    return f"{year} {model}"
