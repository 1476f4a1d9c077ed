"""EuroSAT (RGB): 27,000 satellite images of 10 kinds of land, 64 x 64 pixels.

    <root>/eurosat/  2750/<class>/*.jpg, split_zhou_EuroSAT.json                         CoOp's layout
    <root>/eurosat/  2750/<class>/*.jpg                                                  torchvision's layout

Classes are in the sorted order of the folders, with CoOp's names ("Annual Crop Land" for AnnualCrop). Only CoOp has
published a split (13,500 training, 8,100 test images): without its file a test split is drawn.

Source: Helber, Bischke, Dengel, Borth, "EuroSAT: a novel dataset and deep learning benchmark for land use and land
cover classification", IEEE J-STARS 2019. https://github.com/phelber/EuroSAT
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedsilo.data.published.coop_layout import CoopLayout
from fedsilo.data.published.coop_sets import UnsplitCoopSet
from fedsilo.data.published.dataset_card import Archive, Card
from fedsilo.data.published.labelled_images import Lists, list_class_images

URL = "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
NAMES = (
    ("AnnualCrop", "Annual Crop Land"),
    ("Forest", "Forest"),
    ("HerbaceousVegetation", "Herbaceous Vegetation Land"),
    ("Highway", "Highway or Road"),
    ("Industrial", "Industrial Buildings"),
    ("Pasture", "Pasture Land"),
    ("PermanentCrop", "Permanent Crop Land"),
    ("Residential", "Residential Buildings"),
    ("River", "River"),
    ("SeaLake", "Sea or Lake"),
)
"""Folder and name of each class, in label order."""


@dataclass(frozen=True, slots=True)
class EuroSat(UnsplitCoopSet):
    """EuroSAT: satellite images of 10 kinds of land, with CoOp's split or a drawn one."""

    card: ClassVar[Card] = Card(
        name="eurosat",
        classes=10,
        images=27_000,
        template="a centered satellite photo of {}.",
        lies="eurosat/2750, split_zhou_EuroSAT.json",
        get=f"{URL}, unpacked in eurosat/.",
        archives=(Archive(URL, "eurosat", ("2750",), "c8fa014336c82ac7804f0398fcb19387"),),
        size="0.1 GB",
    )
    layout: ClassVar[CoopLayout] = CoopLayout(
        homes=("eurosat",), images="2750", split="split_zhou_EuroSAT.json", own=("2750",)
    )

    def read_own_lists(self, home: Path) -> Lists:
        """Lists all images; there is no published split.

        Args:
            home: The set's folder.

        Returns:
            The images by split.
        """
        return Lists(list_class_images(home / "2750", NAMES), (), "the folders of 2750")
