"""UCF101: the middle frame of 13,320 videos of 101 actions.

    <root>/ucf101/  split_zhou_UCF101.json, UCF-101-midframes/<class>/*.jpg              CoOp's layout

Class names are CoOp's, with blanks between the words ("Apply Eye Makeup"), in the order of the published class numbers.
CoOp's file has the first published split, 7,639 training and 3,783 test images. torchvision has only the videos.

Source: Soomro, Zamir, Shah, "UCF101: a dataset of 101 human actions classes from videos in the wild", arXiv:1212.0402.
https://www.crcv.ucf.edu/data/UCF101.php
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.published.coop_layout import GUIDE, CoopLayout
from fedsilo.data.published.coop_sets import CoopSet
from fedsilo.data.published.dataset_card import Card


@dataclass(frozen=True, slots=True)
class Ucf101(CoopSet):
    """UCF101: frames of 101 actions, with CoOp's split."""

    card: ClassVar[Card] = Card(
        name="ucf101",
        classes=101,
        images=13_320,
        template="a photo of a person doing {}.",
        lies="ucf101/UCF-101-midframes, split_zhou_UCF101.json",
        get=f"UCF-101-midframes.zip and split_zhou_UCF101.json by CoOp's guide ({GUIDE}), unpacked in ucf101/.",
    )
    layout: ClassVar[CoopLayout] = CoopLayout(("ucf101",), "UCF-101-midframes", "split_zhou_UCF101.json")
