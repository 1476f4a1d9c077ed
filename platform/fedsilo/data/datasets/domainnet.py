"""DomainNet: 586,575 images of 345 kinds of things in six domains, from clip art to sketches.

    <root>/domainnet/<domain>/<class>/*, domainnet/<domain>_train.txt, domainnet/<domain>_test.txt

The lists may also lie in domainnet/splits/. Classes have the numbers of the lists (sorted without regard to capitals
and punctuation: "The Eiffel Tower" after "tent", "t-shirt" after "trumpet"); painting_train.txt has no t-shirt.
`classes: ten` are those of FedBN, which the federated prompt papers use, in FedBN's order. The published lists are
those of the cleaned set.

Source: Peng, Bai, Xia, Huang, Saenko, Wang, "Moment matching for multi-source domain adaptation", ICCV 2019.
http://ai.bu.edu/M3SDA/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.core.config_fields import key
from fedsilo.data.published.dataset_card import Card
from fedsilo.data.published.domain_lists import ListFiles
from fedsilo.data.published.domain_sets import DomainLayout, DomainSet
from fedsilo.data.published.naming import NameWithAliases, make_names

DOMAINS = make_names("clipart", "infograph", "painting", "quickdraw", "real", "sketch")
TEN = make_names(
    "bird", "feather", "headphones", "ice cream", "teapot", "tiger", "whale", "windmill", "wine glass", "zebra"
)


@dataclass(frozen=True, slots=True)
class DomainNet(DomainSet):
    """DomainNet: 345 kinds of things, or ten of them, in six domains from clip art to sketches."""

    card: ClassVar[Card] = Card(
        name="domainnet",
        classes=345,
        images=586_575,
        template="a photo of a {}.",
        lies="domainnet/<domain>/<class>, <domain>_train.txt, <domain>_test.txt",
        get="The six zips and twelve lists of the cleaned version at http://ai.bu.edu/M3SDA/ go into domainnet/.",
        domains=tuple(domain.name for domain in DOMAINS),
    )
    layout: ClassVar[DomainLayout] = DomainLayout(
        folders=("domainnet", "DomainNet", "domain_net"),
        domains=DOMAINS,
        lists=ListFiles("{}_train.txt", "{}_test.txt"),
    )

    classes: str = key("all", "All 345 classes, or the ten that FedBN and the prompt papers use.", "all", "ten")

    def wanted_classes(self) -> tuple[NameWithAliases, ...]:
        """Returns the ten classes, or none to use all."""
        return TEN if self.classes == "ten" else ()
