"""Digits-Five: digits by hand (MNIST, USPS), on photographs (MNIST-M), on houses (SVHN) and synthetic ones.

    <root>/digits_five/<domain>/train|test/<class>/*                      or without train|test: the test is drawn
    <root>/digit5/<domain>/train_images|test_images/<n>_<class>.*         Dassl's layout

Domains are in the order of FedBN. The number of images depends on the copy: the four large domains are often cut to
25,000 training and 9,000 test images, as in M3SDA; USPS has 7,291 and 2,007. Copies in .mat or .pkl files must first
be written as image files. Class names and prompt are those of CLIP for MNIST.

Source: Peng, Bai, Xia, Huang, Saenko, Wang, "Moment matching for multi-source domain adaptation", ICCV 2019; Li et al.,
"FedBN", ICLR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.published.dataset_card import Card
from fedsilo.data.published.domain_sets import DomainLayout, DomainSet
from fedsilo.data.published.naming import make_names

DOMAINS = make_names(
    "MNIST", "SVHN", "USPS", ("SynthDigits", "syn", "synth", "synthetic_digits"), ("MNIST-M", "mnistm")
)


@dataclass(frozen=True, slots=True)
class DigitsFive(DomainSet):
    """Digits-Five: the ten digits in five domains."""

    card: ClassVar[Card] = Card(
        name="digits_five",
        classes=10,
        images=145_298,
        template='a photo of the number: "{}".',
        lies="digits_five/<domain>/train and test/<class>",
        get=(
            "https://github.com/VisionLearningGroup/VisionLearningGroup.github.io (M3SDA) and "
            "https://github.com/med-air/FedBN link copies: write their images to digits_five/<domain>/train and "
            "test/<class>/."
        ),
        domains=tuple(domain.name for domain in DOMAINS),
    )
    layout: ClassVar[DomainLayout] = DomainLayout(
        folders=("digits_five", "digit5", "Digit-Five", "Digits-Five"),
        domains=DOMAINS,
        classes=make_names(*"0123456789"),
        in_name=True,
    )
