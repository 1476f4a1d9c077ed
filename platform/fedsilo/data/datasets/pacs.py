"""PACS: 9,991 images of 7 kinds of things as art paintings, cartoons, photographs and sketches.

    <root>/PACS/<domain>/<class>/*                                        as DomainBed has it (also kfold/ around it)
    <root>/pacs/images/<domain>/<class>/*, pacs/splits/*_kfold.txt        as Dassl has it, with the published lists

The published lists are art_painting_train_kfold.txt and art_painting_crossval_kfold.txt, nine and one tenth of a
domain; the latter are the test images here. (The lists called test name the whole domain: they are for leaving a
domain out.)

Source: Li, Yang, Song, Hospedales, "Deeper, broader and artier domain generalization", ICCV 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.published.card import Card
from fedsilo.data.published.domain_lists import ListFiles
from fedsilo.data.published.domains import DomainLayout, DomainSet
from fedsilo.data.published.naming import named

DOMAINS = named("art_painting", "cartoon", "photo", "sketch")


@dataclass(frozen=True, slots=True)
class Pacs(DomainSet):
    """PACS: 7 kinds of things in four domains, from paintings to sketches."""

    card: ClassVar[Card] = Card(
        name="pacs",
        classes=7,
        images=9991,
        template="a photo of a {}.",
        lies="PACS/<domain>/<class>; or pacs/images/<domain>/<class>, pacs/splits",
        get="PACS.zip is linked from https://domaingeneralization.github.io (Google Drive): unpack it in PACS/.",
        domains=tuple(domain.name for domain in DOMAINS),
    )
    layout: ClassVar[DomainLayout] = DomainLayout(
        folders=("PACS", "pacs"),
        domains=DOMAINS,
        classes=named("dog", "elephant", "giraffe", "guitar", "horse", "house", "person"),
        # The one listed image is broken in the original and missing in the copies.
        lists=ListFiles(
            "{}_train_kfold.txt", "{}_crossval_kfold.txt", first=1, ignored=("sketch/dog/n02103406_4068-1.png",)
        ),
    )
