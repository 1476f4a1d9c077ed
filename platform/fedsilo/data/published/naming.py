"""Names that one set goes by in several copies: folders `Real World`, `real_world` and `RealWorld` are one domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Named:
    """A domain or a class.

    Attributes:
        name: Its name here; a class's as it is written into a prompt.
        aliases: Other names of its folder in copies of the set.
    """

    name: str
    aliases: tuple[str, ...] = ()


def plain(name: str) -> str:
    """Returns the name in small letters without anything between them; by this names are compared and sorted."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def named(*names: str | tuple[str, ...]) -> tuple[Named, ...]:
    """Returns domains or classes from their names; a tuple has the aliases after the name."""
    return tuple(Named(name) if isinstance(name, str) else Named(name[0], name[1:]) for name in names)


def positions(entries: Sequence[Named]) -> dict[str, int]:
    """Returns the place of each entry by its plain names."""
    return {plain(name): place for place, entry in enumerate(entries) for name in (entry.name, *entry.aliases)}


def in_published_order(folders: Iterable[str]) -> list[str]:
    """Returns folder names sorted without regard to capitals and punctuation: t-shirt after trumpet."""
    return sorted(folders, key=lambda name: (plain(name), name))
