"""Caltech-101: photographs of 100 kinds of things, 8,242 of them in CoOp's count.

    <root>/caltech-101/  101_ObjectCategories/<class>/*.jpg, split_zhou_Caltech101.json  CoOp's layout
    <root>/caltech101/   101_ObjectCategories/<class>/*.jpg                              torchvision's layout

BACKGROUND_Google and Faces_easy are left out and "airplanes", "Faces", "Leopards" and "Motorbikes" become "airplane",
"face", "leopard" and "motorbike", as in CoOp. Class order: sorted folders, capital letters first. Only CoOp has
published a split (4,128 training, 2,465 test images): without its file a test split is drawn.

Source: Fei-Fei, Fergus, Perona, "Learning generative visual models from few training examples", CVPR workshop 2004.
https://data.caltech.edu/records/mzrjq-6wc02
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedsilo.data.published.coop_layout import CoopLayout
from fedsilo.data.published.coop_sets import UnsplitCoopSet
from fedsilo.data.published.dataset_card import Archive, Card
from fedsilo.data.published.labelled_images import Lists, list_class_images

URL = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
IMAGES = "101_ObjectCategories"
LEFT_OUT = ("BACKGROUND_Google", "Faces_easy")
RENAMED = {"airplanes": "airplane", "Faces": "face", "Leopards": "leopard", "Motorbikes": "motorbike"}


@dataclass(frozen=True, slots=True)
class Caltech101(UnsplitCoopSet):
    """Caltech-101: 100 kinds of things, with CoOp's split or a drawn one."""

    card: ClassVar[Card] = Card(
        name="caltech101",
        classes=100,
        images=8242,
        template="a photo of a {}.",
        lies=f"caltech-101/{IMAGES}, split_zhou_Caltech101.json; or caltech101/{IMAGES}",
        get=f"{URL}; of it {IMAGES}.tar.gz, unpacked in caltech101/.",
        archives=(
            Archive(
                URL,
                "caltech101",
                (IMAGES,),
                "3138e1922a9193bfa496528edbbc45d0",
                inner=f"caltech-101/{IMAGES}.tar.gz",
            ),
        ),
        size="0.1 GB",
    )
    layout: ClassVar[CoopLayout] = CoopLayout(
        homes=("caltech-101", "caltech101"), images=IMAGES, split="split_zhou_Caltech101.json", own=(IMAGES,)
    )

    def read_own_lists(self, home: Path) -> Lists:
        """Lists all images of CoOp's classes; there is no published split.

        Args:
            home: The set's folder.

        Returns:
            The images by split.
        """
        folders = sorted(path.name for path in (home / IMAGES).iterdir() if path.is_dir() and path.name[0] != ".")
        classes = [(name, RENAMED.get(name, name)) for name in folders if name not in LEFT_OUT]
        return Lists(list_class_images(home / IMAGES, classes), (), f"the folders of {IMAGES}")
