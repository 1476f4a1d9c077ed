"""Office-Home: 15,588 images of 65 kinds of things at home and at work, in four domains.

    <root>/office_home/<domain>/<class>/*        DomainBed's layout; the published folder is OfficeHomeDataset_10072016

Classes are in the sorted order of the published folders, capital letters first ("TV" before "Table"), written in lower
case with blanks ("alarm clock"). No split is published: the test split is drawn.

Source: Venkateswara, Eusebio, Chakraborty, Panchanathan, "Deep hashing network for unsupervised domain adaptation",
CVPR 2017. https://www.hemanthdv.org/officeHomeDataset.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.published.dataset_card import Card
from fedsilo.data.published.domain_sets import DomainLayout, DomainSet
from fedsilo.data.published.naming import make_names

DOMAINS = make_names("Art", "Clipart", "Product", "Real World")
CLASSES = (
    """
alarm clock; backpack; batteries; bed; bike; bottle; bucket; calculator; calendar; candles; chair; clipboards;
computer; couch; curtains; desk lamp; drill; eraser; exit sign; fan; file cabinet; flipflops; flowers; folder;
fork; glasses; hammer; helmet; kettle; keyboard; knives; lamp shade; laptop; marker; monitor; mop; mouse; mug;
notebook; oven; pan; paper clip; pen; pencil; postit notes; printer; push pin; radio; refrigerator; ruler;
scissors; screwdriver; shelf; sink; sneakers; soda; speaker; spoon; TV; table; telephone; toothbrush; toys;
trash can; webcam
""".replace("\n", " ")
    .strip()
    .split("; ")
)


@dataclass(frozen=True, slots=True)
class OfficeHome(DomainSet):
    """Office-Home: 65 kinds of things at home and at work in four domains."""

    card: ClassVar[Card] = Card(
        name="office_home",
        classes=65,
        images=15_588,
        template="a photo of a {}.",
        lies="office_home/<domain>/<class>",
        get=(
            "It is linked from https://www.hemanthdv.org/officeHomeDataset.html (Google Drive): unpack it in "
            "office_home/."
        ),
        domains=tuple(domain.name for domain in DOMAINS),
    )
    layout: ClassVar[DomainLayout] = DomainLayout(
        folders=("office_home", "OfficeHomeDataset_10072016", "OfficeHome", "office_home_dg", "office-home"),
        domains=DOMAINS,
        classes=make_names(*CLASSES),
    )
