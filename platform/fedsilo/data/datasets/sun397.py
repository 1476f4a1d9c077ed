"""SUN397: 108,754 photographs of 397 kinds of scenes, of which CoOp uses 39,700.

    <root>/sun397/  split_zhou_SUN397.json, SUN397/<letter>/<class>/*.jpg                CoOp's layout
    <root>/SUN397/  ClassName.txt, <letter>/<class>/*.jpg                                torchvision's layout

The name of a class that lies two folders deep starts with the inner folder ("outdoor apartment building" for
/a/apartment_building/outdoor), as in CoOp. Class order is that of ClassName.txt. CoOp's file has the first published
partition, 15,880 training and 19,850 test images. torchvision has all images and no split: a test split is drawn.

Source: Xiao, Hays, Ehinger, Oliva, Torralba, "SUN database", CVPR 2010. https://vision.princeton.edu/projects/2010/SUN/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedsilo.data.published.coop_layout import CoopLayout
from fedsilo.data.published.coop_sets import UnsplitCoopSet
from fedsilo.data.published.dataset_card import Archive, Card
from fedsilo.data.published.labelled_images import Lists, list_class_images

URL = "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz"


@dataclass(frozen=True, slots=True)
class Sun397(UnsplitCoopSet):
    """SUN397: 397 kinds of scenes, with CoOp's split or a drawn one."""

    card: ClassVar[Card] = Card(
        name="sun397",
        classes=397,
        images=108_754,
        template="a photo of a {}.",
        lies="sun397/SUN397, split_zhou_SUN397.json; or SUN397 with ClassName.txt",
        get=f"{URL}, unpacked in the root.",
        archives=(Archive(URL, "", ("SUN397",), "8ca2778205c41d23104230ba66911c7a"),),
        size="39 GB",
    )
    layout: ClassVar[CoopLayout] = CoopLayout(
        homes=("sun397", ""),
        images="SUN397",
        split="split_zhou_SUN397.json",
        own=("SUN397/ClassName.txt",),
        coop_images=39_700,
    )

    def read_own_lists(self, home: Path) -> Lists:
        """Lists all images of the classes in ClassName.txt, one per line: /<letter>/<class>[/<inner>].

        Args:
            home: The set's folder.

        Returns:
            The images by split.
        """
        lines = (home / "SUN397" / "ClassName.txt").read_text(encoding="utf-8").split()
        classes = [(path.strip("/"), " ".join(path.strip("/").split("/")[:0:-1])) for path in lines]
        return Lists(list_class_images(home / "SUN397", classes), (), "SUN397/ClassName.txt")
