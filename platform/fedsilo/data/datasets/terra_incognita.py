"""Terra Incognita: 24,788 pictures by camera traps at four places, of 9 kinds of animals and of nobody.

    <root>/terra_incognita/location_38/<class>/*        as DomainBed's script leaves it

Domains in the order of DomainBed, which sorts the folders' names: location_100 comes first. "empty" is a class:
nothing but the place itself. No split is published for these four places: the test is drawn. Pictures of one burst
look alike and may fall into both parts.

Source: Beery, Van Horn, Perona, "Recognition in terra incognita", ECCV 2018; the subset of Gulrajani, Lopez-Paz, "In
search of lost domain generalization", ICLR 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fedsilo.data.published.card import Card
from fedsilo.data.published.domains import DomainLayout, DomainSet
from fedsilo.data.published.naming import named

DOMAINS = named("location_100", "location_38", "location_43", "location_46")


@dataclass(frozen=True, slots=True)
class TerraIncognita(DomainSet):
    """Terra Incognita: 9 kinds of animals and nobody, by camera traps at four places."""

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
        classes=named("bird", "bobcat", "cat", "coyote", "dog", "empty", "opossum", "rabbit", "raccoon", "squirrel"),
    )
