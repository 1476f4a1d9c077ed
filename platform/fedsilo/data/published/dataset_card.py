"""Published facts of a data set: size, prompt, location of its files, download."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Archive:
    """A file on the network that holds a set or a part of it.

    Attributes:
        url: Address; the last part of its path is the file's name on disk.
        folder: Folder below the root where the file is downloaded and unpacked; "" for the root itself.
        gives: Paths, relative to `folder`, that must exist after unpacking; all other content is removed.
        md5: Published checksum; "" where there is none, then the length and the archive's own checksums are checked.
        inner: Path of an archive inside this one that holds the wanted files; "" if this archive holds them itself.
    """

    url: str
    folder: str
    gives: tuple[str, ...]
    md5: str = ""
    inner: str = ""

    @property
    def name(self) -> str:
        """File name on disk."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Card:
    """Published facts of a data set.

    Attributes:
        name: Name that scenarios use.
        classes: Number of classes.
        images: Published number of images, both splits together.
        template: Prompt of the zero-shot row, with {} for the class.
        lies: Location of the files below the root, as text for the user.
        get: How to get the files, one or two sentences.
        domains: Names of the domains, in order; empty for a set with one domain.
        archives: Files that a download fetches; empty where nothing can be downloaded.
        size: Size of all archives as text, for example "0.8 GB".
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
    """Checks a prompt template that replaces the set's own one.

    Args:
        template: The template; "" keeps the set's own.

    Returns:
        Problems for `Dataset.problems`; empty if there are none.
    """
    if template and "{}" not in template:
        return [f"template: must have {{}} where the class goes, got '{template}'."]
    return []


def root_problems(root: str) -> list[str]:
    """Checks that a root is given. Missing files are reported later, when the data is loaded.

    Args:
        root: Folder that holds the data.

    Returns:
        Problems for `Dataset.problems`; empty if there are none.
    """
    return [] if root else ["root: missing. Give the folder that holds the data."]


def download_problems(card: Card, download: bool) -> list[str]:
    """Checks that a set can be downloaded if a download is requested.

    Args:
        card: Facts of the set.
        download: Whether the user requests a download.

    Returns:
        Problems for `Dataset.problems`; empty if there are none.
    """
    return [f"download: {card.name} cannot be fetched from here. {card.get}"] if download and not card.archives else []
