"""Food-101: 101,000 photographs of 101 dishes.

    <root>/food-101/  split_zhou_Food101.json, images/<class>/*.jpg                      CoOp's layout
    <root>/food-101/  meta/train.json, meta/test.json, images/<class>/*.jpg              torchvision's layout

Class names are the folders' names ("apple pie"), in sorted order, with either split. CoOp drew its own split with
50,500 training and 30,300 test images. The published split, which torchvision reads, has 75,750 and 25,250.

Source: Bossard, Guillaumin, Van Gool, "Food-101: mining discriminative components with random forests", ECCV 2014.
https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedsilo.data.published.coop_layout import CoopLayout
from fedsilo.data.published.coop_sets import CoopSet
from fedsilo.data.published.dataset_card import Archive, Card
from fedsilo.data.published.labelled_images import Lists, Row, make_row

URL = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"


@dataclass(frozen=True, slots=True)
class Food101(CoopSet):
    """Food-101: 101 dishes, with CoOp's split or the published one."""

    card: ClassVar[Card] = Card(
        name="food101",
        classes=101,
        images=101_000,
        template="a photo of {}, a type of food.",
        lies="food-101/images, and split_zhou_Food101.json or meta",
        get=f"{URL}, unpacked in the root.",
        archives=(Archive(URL, "", ("food-101/images", "food-101/meta"), "85eeb15f3717b99a5da872d97d918f87"),),
        size="5 GB",
    )
    layout: ClassVar[CoopLayout] = CoopLayout(
        homes=("food-101",),
        images="images",
        split="split_zhou_Food101.json",
        own=("meta/train.json", "meta/test.json"),
    )

    def read_own_lists(self, home: Path) -> Lists:
        """Reads meta/train.json and test.json: a list of <class>/<number> for every class.

        Args:
            home: The set's folder.

        Returns:
            The images by split.
        """
        train, test = (json.loads((home / name).read_text(encoding="utf-8")) for name in self.layout.own)
        labels = {name: label for label, name in enumerate(sorted({*train, *test}))}
        return Lists(_rows(train, labels), _rows(test, labels), "meta/train.json and test.json")


def _rows(content: dict[str, list[str]], labels: dict[str, int]) -> tuple[Row, ...]:
    return tuple(make_row(f"{image}.jpg", labels[name], name) for name in sorted(content) for image in content[name])
