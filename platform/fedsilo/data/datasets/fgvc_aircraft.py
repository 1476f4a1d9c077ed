"""FGVC-Aircraft: 10,000 photographs of 100 variants of aircraft.

    <root>/fgvc_aircraft/            images/*.jpg, variants.txt, images_variant_{train,val,test}.txt    CoOp's layout
    <root>/fgvc-aircraft-2013b/data/ the same files                                                torchvision's layout

Class names and their order are those of variants.txt. CoOp's split is the published lists, so `auto` means `coop` in
either folder: images_variant_train.txt (3,334 images) is used for training. With `split: torchvision`, train and val
(6,667) are used for training. With both, images_variant_test.txt (3,333) is used for testing.

Source: Maji, Rahtu, Kannala, Blaschko, Vedaldi, "Fine-grained visual classification of aircraft", arXiv:1306.5151.
https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedsilo.data.published.coop_layout import CoopLayout
from fedsilo.data.published.coop_sets import CoopSet
from fedsilo.data.published.dataset_card import Archive, Card
from fedsilo.data.published.labelled_images import Lists, Row, read_annotations

URL = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz"
FOLDER = "fgvc-aircraft-2013b/data"
TRAIN, VAL, TEST = (f"images_variant_{split}.txt" for split in ("train", "val", "test"))


@dataclass(frozen=True, slots=True)
class FgvcAircraft(CoopSet):
    """FGVC-Aircraft: 100 variants of aircraft, trained on the train list, or on train and val."""

    card: ClassVar[Card] = Card(
        name="fgvc_aircraft",
        classes=100,
        images=10_000,
        template="a photo of a {}, a type of aircraft.",
        lies=f"fgvc_aircraft/images, variants.txt, {TRAIN}, {VAL}, {TEST}; or the same in {FOLDER}",
        get=f"{URL}, unpacked in the root.",
        archives=(Archive(URL, "", (FOLDER,)),),  # no checksum is published, here or in torchvision
        size="2.8 GB",
    )
    layout: ClassVar[CoopLayout] = CoopLayout(
        homes=("fgvc_aircraft", FOLDER),
        images="images",
        split=TRAIN,
        own=("variants.txt", TRAIN, VAL, TEST),
        beside=("variants.txt", VAL, TEST),
    )

    def read_coop_lists(self, home: Path) -> Lists:
        """Reads the train list and the test list; the val list is not used.

        Args:
            home: The set's folder.

        Returns:
            The images by split.

        Raises:
            DataError: A list is damaged.
        """
        return read_annotations(home, _lists, "a folder of FGVC-Aircraft", f"Fetch it again. {self.card.get}")

    def read_own_lists(self, home: Path) -> Lists:
        """Reads the train and val lists as training images, and the test list.

        Args:
            home: The set's folder.

        Returns:
            The images by split.
        """
        lists = _lists(home)
        return Lists((*lists.train, *lists.unused), lists.test, f"{TRAIN}, {VAL} and {TEST}")


def _lists(home: Path) -> Lists:
    """Reads the three lists: lines of image number and variant; a variant may contain blanks."""
    variants = [line.strip() for line in (home / "variants.txt").read_text(encoding="utf-8").splitlines()]
    labels = {variant: label for label, variant in enumerate(filter(None, variants))}
    train, val, test = (
        tuple(
            Row(f"{image}.jpg", labels[variant], variant)
            for image, _, variant in (line.strip().partition(" ") for line in lines)
        )
        for lines in ((home / name).read_text(encoding="utf-8").splitlines() for name in (TRAIN, VAL, TEST))
    )
    return Lists(train, test, TRAIN, val)
