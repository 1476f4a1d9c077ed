"""Office-Caltech10: 2,533 images of 10 kinds of things on desks, from a shop, a web search and two cameras.

    <root>/office_caltech10/<domain>/<class>/*, or a zip of it as the root

Domains and classes are in the order of FedBN and the prompt papers. Folders may be called back_pack or backpack,
laptop_computer or laptop, caltech or caltech10. No split is published: the test split is drawn.

Source: Gong, Shi, Sha, Grauman, "Geodesic flow kernel for unsupervised domain adaptation", CVPR 2012; from Office-31
(Saenko et al., ECCV 2010) and Caltech-256 (Griffin et al., 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.published.dataset_card import Card
from fedsilo.data.published.domain_sets import DomainLayout, DomainSet
from fedsilo.data.published.naming import make_names

DOMAINS = make_names("amazon", ("caltech", "caltech10"), "dslr", "webcam")


@dataclass(frozen=True, slots=True)
class OfficeCaltech10(DomainSet):
    """Office-Caltech10: 10 kinds of things on desks in four domains."""

    card: ClassVar[Card] = Card(
        name="office_caltech10",
        classes=10,
        images=2533,
        template="a photo of a {}.",
        lies="office_caltech10/<domain>/<class>, or a .zip of it",
        get="office_caltech_10.zip is linked from https://github.com/med-air/FedBN: unpack it in office_caltech10/.",
        domains=tuple(domain.name for domain in DOMAINS),
    )
    layout: ClassVar[DomainLayout] = DomainLayout(
        folders=("office_caltech10", "office_caltech_10", "OfficeCaltech10"),
        domains=DOMAINS,
        classes=make_names(
            ("backpack", "back_pack"),
            ("bike", "touring_bike"),
            "calculator",
            "headphones",
            ("keyboard", "computer_keyboard"),
            ("laptop", "laptop_computer"),
            ("monitor", "computer_monitor"),
            ("mouse", "computer_mouse"),
            ("mug", "coffee_mug"),
            ("projector", "video_projector"),
        ),
    )
