"""Survey of a tree of image files: its usable images, and notices about all others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from fedsilo.core.printing import make_printable
from fedsilo.data.files.file_sources import Member, Source
from fedsilo.data.files.folder_layouts import TEST, TRAIN, FolderPlace, ImageTree
from fedsilo.data.files.image_reading import ImageCheck, inspect

NAMED = 4  # names to write; the others are counted


@dataclass(frozen=True, slots=True)
class Usable:
    """One sound image file.

    Attributes:
        name: Its name in the source.
        place: Its split, domain and class.
        digest: Digest of its bytes.
    """

    name: str
    place: FolderPlace
    digest: str


def survey(
    source: Source, tree: ImageTree, limit: int, generator: np.random.Generator
) -> tuple[list[Usable], list[str]]:
    """Reads and checks the image files of a tree.

    Args:
        source: Folder or archive of the files.
        tree: The image files.
        limit: Greatest number of images of each split, domain and class, drawn at random; 0 takes all.
        generator: Random generator of the draws.

    Returns:
        Sound images in the tree's order, and one notice for each kind of file that is left out or converted.
    """
    kept = _drawn(tree.places, limit, generator)
    members = [tree.images[position] for position in kept]
    findings = inspect(source, [member.name for member in members])
    images = [
        Usable(member.name, tree.places[position], finding.digest)
        for position, member, finding in zip(kept, members, findings, strict=True)
        if not finding.fault
    ]
    said = (_left_out(tree, members, findings), _empty(tree, images), _converted(members, findings))
    return images, [*chain.from_iterable(said), *_kinds(members, findings)]


def remarks(images: Sequence[Usable]) -> list[str]:
    """Reports classes that lack images in a split or domain, and equal files in two places.

    Args:
        images: Images that all have a split.

    Returns:
        Notices; empty if there is nothing to report.
    """
    found = {image.place for image in images}
    domains, labels = (sorted({getattr(place, part) for place in found}) for part in ("domain", "label"))
    gaps = []
    for domain in domains:
        for label in labels:
            lacking = [split for split in (TRAIN, TEST) if FolderPlace(split, domain, label) not in found]
            if lacking:
                gaps.append(f"{label}{' in ' * bool(domain)}{domain} ({', '.join(lacking)})")
    lines = [summarize_names("Classes without an image in a split or domain", gaps)] if gaps else []
    leaked = _repeated(images, lambda place: place.split)
    if leaked:
        lines.append(summarize_names("Images that are byte for byte both in training and in test", leaked))
    torn = _repeated(images, lambda place: place.label)
    if torn:
        lines.append(summarize_names("Images that are byte for byte in more than one class", torn))
    return lines


def summarize_names(what: str, names: Sequence[str]) -> str:
    """Writes one line such as "Broken images (3): a, b, c.".

    Args:
        what: What the names have in common.
        names: The names; the first few are written, the others are counted.

    Returns:
        The line.
    """
    shown = ", ".join(map(make_printable, names[:NAMED]))
    rest = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{what} ({len(names):,}): {shown}{rest}."


def summarize_kinds(found: Iterable[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Writes one line about each remarkable kind of images.

    Args:
        found: (name, kinds) of each image.

    Returns:
        The lines, in the order in which the kinds occur.
    """
    names: dict[str, list[str]] = defaultdict(list)
    for name, kinds in found:
        for kind in kinds:
            names[kind].append(name)
    return (summarize_names(kind, of_kind) for kind, of_kind in names.items())


def _drawn(places: Sequence[FolderPlace], limit: int, generator: np.random.Generator) -> list[int]:
    """Positions to look at, ascending."""
    if not limit:
        return list(range(len(places)))
    groups: dict[FolderPlace, list[int]] = defaultdict(list)
    for position, place in enumerate(places):
        groups[place].append(position)
    return sorted(int(position) for group in groups.values() for position in generator.permutation(group)[:limit])


def _left_out(tree: ImageTree, members: Sequence[Member], findings: Sequence[ImageCheck]) -> Iterator[str]:
    faults = [
        f"{'/'.join(member.parts)} ({finding.fault})"
        for member, finding in zip(members, findings, strict=True)
        if finding.fault
    ]
    groups = (
        ("Broken image files are left out", faults),
        ("Files that are no images by their names are left out", tree.strangers),
        (f"Image files that do not lie at {tree.pattern} are left out", tree.misplaced),
        ("Files or folders that cannot be reached are left out", tree.refused),
    )
    return (summarize_names(what, names) for what, names in groups if names)


def _empty(tree: ImageTree, images: Sequence[Usable]) -> Iterator[str]:
    """Yields notices about classes and domains that have a folder and no usable image."""
    for what, part in (("Classes", "label"), ("Domains", "domain")):
        known = {getattr(place, part) for place in (*tree.folders, *tree.places)}
        empty = sorted(known - {getattr(image.place, part) for image in images})
        if empty:
            yield summarize_names(f"{what} without a usable image are left out", empty)


def _converted(members: Sequence[Member], findings: Sequence[ImageCheck]) -> Iterator[str]:
    rows = zip(members, findings, strict=True)
    other = [("/".join(member.parts), finding.mode) for member, finding in rows if finding.mode not in ("", "RGB")]
    if other:
        modes = ", ".join(f"{count:,} {mode}" for mode, count in sorted(Counter(mode for _, mode in other).items()))
        yield summarize_names(
            f"Images in other colour modes ({modes}) are converted to RGB", [name for name, _ in other]
        )


def _kinds(members: Sequence[Member], findings: Sequence[ImageCheck]) -> Iterator[str]:
    pairs = zip(members, findings, strict=True)
    return summarize_kinds(("/".join(member.parts), finding.kinds) for member, finding in pairs)


def _repeated(images: Sequence[Usable], part: Callable[[FolderPlace], str]) -> list[str]:
    """Names of images with the same bytes and different `part` of their place, for example "a/1.jpg = b/7.jpg"."""
    times = Counter(image.digest for image in images)
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for image in images:
        if times[image.digest] > 1:  # a dictionary for each of a million images would take too much memory
            names[image.digest].setdefault(part(image.place), image.name)
    return [" = ".join(copies.values()) for copies in names.values() if len(copies) > 1]
