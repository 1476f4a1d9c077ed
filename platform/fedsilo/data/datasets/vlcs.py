"""VLCS: 10,729 photographs of 5 kinds of things, from four older data sets.

    <root>/VLCS/<domain>/<class>/*                                        DomainBed's layout
    <root>/VLCS/<domain>/train|crossval|test/<number>/*                   layout and split of Dassl and JigenDG

Numbered class folders are 0 bird to 4 person; crossval counts as training. Without such folders the test split is
drawn.

Source: Fang, Xu, Rockmore, "Unbiased metric learning", ICCV 2013; Torralba, Efros, "Unbiased look at dataset bias",
CVPR 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.published.dataset_card import Card
from fedsilo.data.published.domain_sets import DomainLayout, DomainSet
from fedsilo.data.published.naming import make_names

DOMAINS = make_names(("Caltech101", "caltech"), "LabelMe", ("SUN09", "sun"), ("VOC2007", "pascal"))


@dataclass(frozen=True, slots=True)
class Vlcs(DomainSet):
    """VLCS: 5 kinds of things in photographs of four older data sets."""

    card: ClassVar[Card] = Card(
        name="vlcs",
        classes=5,
        images=10_729,
        template="a photo of a {}.",
        lies="VLCS/<domain>/<class>, or VLCS/<domain>/train, crossval and test/<class>",
        get=(
            "VLCS.tar.gz is fetched by the script of https://github.com/facebookresearch/DomainBed (Google Drive): "
            "unpack it in VLCS/."
        ),
        domains=tuple(domain.name for domain in DOMAINS),
    )
    layout: ClassVar[DomainLayout] = DomainLayout(
        folders=("VLCS", "vlcs"),
        domains=DOMAINS,
        classes=make_names(("bird", "0"), ("car", "1"), ("chair", "2"), ("dog", "3"), ("person", "4")),
    )
