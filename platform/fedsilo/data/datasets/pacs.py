"""PACS: 9,991 images of 7 kinds of things as art paintings, cartoons, photographs and sketches.

    <root>/PACS/<domain>/<class>/*                                        DomainBed's layout (also kfold/ around it)
    <root>/pacs/images/<domain>/<class>/*, pacs/splits/*_kfold.txt        Dassl's layout, with the published lists

The published lists are art_painting_train_kfold.txt and art_painting_crossval_kfold.txt, nine tenths and one tenth of
a domain; the crossval lists are the test images. (The lists called test contain the whole domain: they serve to leave
a domain out.)

Source: Li, Yang, Song, Hospedales, "Deeper, broader and artier domain generalization", ICCV 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.published.dataset_card import Card
from fedsilo.data.published.domain_lists import ListFiles
from fedsilo.data.published.domain_sets import DomainLayout, DomainSet
from fedsilo.data.published.naming import make_names

DOMAINS = make_names("art_painting", "cartoon", "photo", "sketch")


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
        classes=make_names("dog", "elephant", "giraffe", "guitar", "horse", "house", "person"),
        # The ignored image is broken in the original and missing in the copies.
        lists=ListFiles(
            "{}_train_kfold.txt", "{}_crossval_kfold.txt", first=1, ignored=("sketch/dog/n02103406_4068-1.png",)
        ),
    )
