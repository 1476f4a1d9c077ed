"""What is published of a data set: its size, its prompt, where its files lie and how they are had."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Archive:
    """A file on the network that holds (a part of) a set.

    Attributes:
        url: Where it is; the last part of the path is its name here.
        folder: Folder below the root that it is fetched and unpacked in, "" for the root itself.
        gives: What must be there when it is unpacked, as paths from the folder; nothing else of it is kept.
        md5: Published checksum, "" where there is none: its length and the archive's own checksums then have to do.
        inner: An archive in it, as path, that holds what is wanted; "" when it holds that itself.
    """

    url: str
    folder: str
    gives: tuple[str, ...]
    md5: str = ""
    inner: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Card:
    """What a published set is and how it is had.

    Attributes:
        name: The name that scenarios use.
        classes: Number of classes.
        images: Number of images, as published; of both splits together.
        template: Prompt of the zero-shot row, with {} for the class.
        lies: Where the files lie below the root, for people.
        get: How they are had, one sentence or two.
        domains: Names of the domains, in order; none for a set of a single one.
        archives: What `download` fetches; none where nothing can be.
        size: Of all archives, in words, for example "0.8 GB".
    """

    name: str
    classes: int
    images: int
    template: str
    lies: str
    get: str
    domains: tuple[str, ...] = ()
    archives: tuple[Archive, ...] = field(default=())
    size: str = ""


def template_problems(template: str) -> list[str]:
    """Returns what is impossible in a prompt template that replaces a set's own, for `Dataset.problems`."""
    if template and "{}" not in template:
        return [f"template: must have {{}} where the class goes, got '{template}'."]
    return []


def root_problems(root: str) -> list[str]:
    """Returns what is impossible in a root; whether the files are there is seen when they are loaded."""
    return [] if root else ["root: missing. Give the folder that holds the data."]


def download_problems(card: Card, download: bool) -> list[str]:
    """Returns why a set cannot be fetched, where that is asked."""
    return [f"download: {card.name} cannot be fetched from here. {card.get}"] if download and not card.archives else []
