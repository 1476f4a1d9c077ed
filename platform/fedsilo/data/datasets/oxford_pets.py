"""Oxford-IIIT Pets: 7,349 photographs of 37 breeds of cats and dogs.

    <root>/oxford_pets/      split_zhou_OxfordPets.json, images/*.jpg                          CoOp's layout
    <root>/oxford-iiit-pet/  annotations/trainval.txt, annotations/test.txt, images/*.jpg      torchvision's layout

Class names are the breeds in lower case ("american bulldog"), in the order of the annotations' class numbers, as in
CoOp's file; torchvision capitalises them. CoOp trains on 2,944 of the 3,680 images of trainval.txt, torchvision's
split on all of them; the 3,669 test images are the same.

Source: Parkhi, Vedaldi, Zisserman, Jawahar, "Cats and dogs", CVPR 2012. https://www.robots.ox.ac.uk/~vgg/data/pets/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedsilo.data.published.coop_layout import CoopLayout
from fedsilo.data.published.coop_sets import CoopSet
from fedsilo.data.published.dataset_card import Archive, Card
from fedsilo.data.published.labelled_images import Lists, Row

URL = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"


@dataclass(frozen=True, slots=True)
class OxfordPets(CoopSet):
    """Oxford-IIIT Pets: 37 breeds of cats and dogs, with CoOp's split or torchvision's."""

    card: ClassVar[Card] = Card(
        name="oxford_pets",
        classes=37,
        images=7349,
        template="a photo of a {}, a type of pet.",
        lies="oxford_pets/images, split_zhou_OxfordPets.json; or oxford-iiit-pet/images, annotations",
        get=f"images.tar.gz and annotations.tar.gz ({URL}), unpacked in oxford-iiit-pet/.",
        archives=(
            Archive(f"{URL}images.tar.gz", "oxford-iiit-pet", ("images",), "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
            Archive(
                f"{URL}annotations.tar.gz", "oxford-iiit-pet", ("annotations",), "95a8c909bbe2e81eed6a22bccdf3f68f"
            ),
        ),
        size="0.8 GB",
    )
    layout: ClassVar[CoopLayout] = CoopLayout(
        homes=("oxford_pets", "oxford-iiit-pet"),
        images="images",
        split="split_zhou_OxfordPets.json",
        own=("annotations/trainval.txt", "annotations/test.txt"),
    )

    def read_own_lists(self, home: Path) -> Lists:
        """Reads trainval.txt and test.txt: lines of image, class number from 1, species, breed number.

        Args:
            home: The set's folder.

        Returns:
            The images by split.
        """
        train, test = (_rows(home / name) for name in self.layout.own)
        return Lists(train, test, "annotations/trainval.txt and test.txt")


def _rows(file: Path) -> tuple[Row, ...]:
    entries = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return tuple(
        Row(f"{image}.jpg", int(number) - 1, image.rpartition("_")[0].lower()) for image, number, _, _ in entries
    )
