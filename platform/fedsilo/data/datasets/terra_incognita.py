"""Terra Incognita: 24,788 camera-trap pictures at four places, of 9 kinds of animals or of no animal.

    <root>/terra_incognita/location_38/<class>/*        layout of DomainBed's script

Domains are in the order of DomainBed, which sorts the folders' names: location_100 comes first. The class "empty" is
for pictures without an animal. No split is published for these four places: the test split is drawn. Pictures of one
burst look alike and may fall into both splits.

Source: Beery, Van Horn, Perona, "Recognition in terra incognita", ECCV 2018; the subset of Gulrajani, Lopez-Paz, "In
search of lost domain generalization", ICLR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.published.dataset_card import Card
from fedsilo.data.published.domain_sets import DomainLayout, DomainSet
from fedsilo.data.published.naming import make_names

DOMAINS = make_names("location_100", "location_38", "location_43", "location_46")


@dataclass(frozen=True, slots=True)
class TerraIncognita(DomainSet):
    """Terra Incognita: camera-trap pictures of 9 kinds of animals, or none, at four places."""

    card: ClassVar[Card] = Card(
        name="terra_incognita",
        classes=10,
        images=24_788,
        template="a photo of a {}.",
        lies="terra_incognita/<domain>/<class>",
        get=(
            "The script of https://github.com/facebookresearch/DomainBed makes terra_incognita/ from Caltech Camera "
            "Traps."
        ),
        domains=tuple(domain.name for domain in DOMAINS),
    )
    layout: ClassVar[DomainLayout] = DomainLayout(
        folders=("terra_incognita", "TerraIncognita"),
        domains=DOMAINS,
        classes=make_names(
            "bird", "bobcat", "cat", "coyote", "dog", "empty", "opossum", "rabbit", "raccoon", "squirrel"
        ),
    )
