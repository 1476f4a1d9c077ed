"""Describable Textures (DTD): 5,640 images of 47 textures.

    <root>/dtd/      split_zhou_DescribableTextures.json, images/<class>/*.jpg           CoOp's layout
    <root>/dtd/dtd/  labels/train1.txt, val1.txt, test1.txt, images/<class>/*.jpg        torchvision's layout

Class names are the folders' names ("polka-dotted"), in sorted order, with either split. CoOp drew its own split with
2,820 training and 1,692 test images. The first published split has 1,880 images in each of train, val and test;
train1 and val1 together are used for training.

Source: Cimpoi, Maji, Kokkinos, Mohamed, Vedaldi, "Describing textures in the wild", CVPR 2014.
https://www.robots.ox.ac.uk/~vgg/data/dtd/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedsilo.data.published.coop_layout import CoopLayout
from fedsilo.data.published.coop_sets import CoopSet
from fedsilo.data.published.dataset_card import Archive, Card
from fedsilo.data.published.labelled_images import Lists, make_row

URL = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"


@dataclass(frozen=True, slots=True)
class Dtd(CoopSet):
    """Describable Textures: 47 textures, with CoOp's split or the first published one."""

    card: ClassVar[Card] = Card(
        name="dtd",
        classes=47,
        images=5640,
        template="{} texture.",
        lies="dtd/images, split_zhou_DescribableTextures.json; or dtd/dtd/images, labels",
        get=f"{URL}, unpacked in dtd/.",
        archives=(Archive(URL, "dtd", ("dtd/images", "dtd/labels"), "fff73e5086ae6bdbea199a49dfb8a4c1"),),
        size="0.6 GB",
    )
    layout: ClassVar[CoopLayout] = CoopLayout(
        homes=("dtd", "dtd/dtd"),
        images="images",
        split="split_zhou_DescribableTextures.json",
        own=("labels/train1.txt", "labels/val1.txt", "labels/test1.txt"),
    )

    def read_own_lists(self, home: Path) -> Lists:
        """Reads train1.txt with val1.txt, and test1.txt: lines of <class>/<file>.

        Args:
            home: The set's folder.

        Returns:
            The images by split.
        """
        train, val, test = ((home / name).read_text(encoding="utf-8").split() for name in self.layout.own)
        names = sorted({path.split("/")[0] for path in (*train, *val, *test)})
        labels = {name: label for label, name in enumerate(names)}
        rows = [
            tuple(make_row(path, labels[path.split("/")[0]], path.split("/")[0]) for path in paths)
            for paths in ([*train, *val], test)
        ]
        return Lists(rows[0], rows[1], "labels/train1.txt, val1.txt and test1.txt")
