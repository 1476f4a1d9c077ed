"""Names of one domain or class in several copies of a set: `Real World`, `real_world` and `RealWorld` are the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NameWithAliases:
    """A domain or a class.

    Attributes:
        name: Its name in fedsilo; for a class, as it is written into a prompt.
        aliases: Other names of its folder in copies of the set.
    """

    name: str
    aliases: tuple[str, ...] = ()


def normalize(name: str) -> str:
    """Reduces a name to its letters and digits in lower case. Names are compared and sorted in this form.

    Args:
        name: Name of a folder, domain or class.

    Returns:
        The normalized name.
    """
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def make_names(*names: str | tuple[str, ...]) -> tuple[NameWithAliases, ...]:
    """Makes domains or classes from their names.

    Args:
        *names: A name each, or a tuple of the name and its aliases.

    Returns:
        One entry per argument, in order.
    """
    return tuple(
        NameWithAliases(name) if isinstance(name, str) else NameWithAliases(name[0], name[1:]) for name in names
    )


def index_names(entries: Sequence[NameWithAliases]) -> dict[str, int]:
    """Numbers domains or classes.

    Args:
        entries: Domains or classes, in order.

    Returns:
        Index of each entry by its normalized name and by each of its normalized aliases.
    """
    return {normalize(name): place for place, entry in enumerate(entries) for name in (entry.name, *entry.aliases)}


def sort_as_published(folders: Iterable[str]) -> list[str]:
    """Sorts folder names without regard to capitals and punctuation: t-shirt comes after trumpet.

    Args:
        folders: Names of folders.

    Returns:
        The sorted names.
    """
    return sorted(folders, key=lambda name: (normalize(name), name))
