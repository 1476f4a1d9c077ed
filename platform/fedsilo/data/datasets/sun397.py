"""SUN397: scenes of 397 kinds; 108,754 photographs, of which CoOp uses 39,700.

    <root>/sun397/  split_zhou_SUN397.json, SUN397/<letter>/<class>/*.jpg                as CoOp has it
    <root>/SUN397/  ClassName.txt, <letter>/<class>/*.jpg                                as torchvision has it

A class that lies two folders deep is named with the inner one first ("outdoor apartment building" for
/a/apartment_building/outdoor), as in CoOp; order: that of ClassName.txt. CoOp's file has the first published partition,
15,880 training and 19,850 test images. torchvision has all images and no split: there one is drawn.

Source: Xiao, Hays, Ehinger, Oliva, Torralba, "SUN database", CVPR 2010. https://vision.princeton.edu/projects/2010/SUN/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedsilo.data.published.card import Archive, Card
from fedsilo.data.published.coop import Layout, UnsplitCoopSet
from fedsilo.data.published.labelled_images import Lists, image_rows

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
    layout: ClassVar[Layout] = Layout(
        homes=("sun397", ""),
        images="SUN397",
        split="split_zhou_SUN397.json",
        own=("SUN397/ClassName.txt",),
        coop_images=39_700,
    )

    def own_lists(self, home: Path) -> Lists:
        """Returns all images of the classes of ClassName.txt, one a line: /<letter>/<class>[/<inner>]."""
        lines = (home / "SUN397" / "ClassName.txt").read_text(encoding="utf-8").split()
        classes = [(path.strip("/"), " ".join(path.strip("/").split("/")[:0:-1])) for path in lines]
        return Lists(image_rows(home / "SUN397", classes), (), "SUN397/ClassName.txt")
