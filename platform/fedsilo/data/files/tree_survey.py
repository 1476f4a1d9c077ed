"""What can be used of a tree of image files, and what people should know about it and about the rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from fedsilo.core.printing import make_printable
from fedsilo.data.files.file_sources import Member, Source
from fedsilo.data.files.folder_layouts import TEST, TRAIN, Place, Tree
from fedsilo.data.files.image_reading import Finding, inspect

NAMED = 4  # names given before the rest is only counted


@dataclass(frozen=True, slots=True)
class Usable:
    """One sound image file.

    Attributes:
        name: Its name in the source.
        place: Where it stands.
        digest: Digest of its bytes.
    """

    name: str
    place: Place
    digest: str


def survey(source: Source, tree: Tree, limit: int, generator: np.random.Generator) -> tuple[list[Usable], list[str]]:
    """Reads and checks the image files of a tree.

    Args:
        source: Where they are.
        tree: Which they are.
        limit: At most so many of each place are drawn and looked at; 0 takes all.
        generator: Where the draws come from.

    Returns:
        The sound images in the tree's order, and one line on each kind of thing that was left out or converted.
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
    """Lines on images that all have a split: classes that lack some, and the same bytes in two places."""
    found = {image.place for image in images}
    domains, labels = (sorted({getattr(place, part) for place in found}) for part in ("domain", "label"))
    gaps = []
    for domain in domains:
        for label in labels:
            lacking = [split for split in (TRAIN, TEST) if Place(split, domain, label) not in found]
            if lacking:
                gaps.append(f"{label}{' in ' * bool(domain)}{domain} ({', '.join(lacking)})")
    lines = [listed("Classes without an image in a split or domain", gaps)] if gaps else []
    leaked = _repeated(images, lambda place: place.split)
    if leaked:
        lines.append(listed("Images that are byte for byte both in training and in test", leaked))
    torn = _repeated(images, lambda place: place.label)
    if torn:
        lines.append(listed("Images that are byte for byte in more than one class", torn))
    return lines


def listed(what: str, names: Sequence[str]) -> str:
    """One line such as "Broken images (3): a, b, c.", with a handful of the names and the number of the others."""
    shown = ", ".join(map(make_printable, names[:NAMED]))
    rest = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{what} ({len(names):,}): {shown}{rest}."


def listed_kinds(found: Iterable[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Returns one line on each kind of remarkable images, of pairs of an image's name and the kinds that it is of."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, kinds in found:
        for kind in kinds:
            names[kind].append(name)
    return (listed(kind, of_kind) for kind, of_kind in names.items())


def _drawn(places: Sequence[Place], limit: int, generator: np.random.Generator) -> list[int]:
    """Positions to look at, ascending."""
    if not limit:
        return list(range(len(places)))
    groups: dict[Place, list[int]] = defaultdict(list)
    for position, place in enumerate(places):
        groups[place].append(position)
    return sorted(int(position) for group in groups.values() for position in generator.permutation(group)[:limit])


def _left_out(tree: Tree, members: Sequence[Member], findings: Sequence[Finding]) -> Iterator[str]:
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
    return (listed(what, names) for what, names in groups if names)


def _empty(tree: Tree, images: Sequence[Usable]) -> Iterator[str]:
    """Lines on classes and domains that have a folder and no usable image anywhere."""
    for what, part in (("Classes", "label"), ("Domains", "domain")):
        known = {getattr(place, part) for place in (*tree.folders, *tree.places)}
        empty = sorted(known - {getattr(image.place, part) for image in images})
        if empty:
            yield listed(f"{what} without a usable image are left out", empty)


def _converted(members: Sequence[Member], findings: Sequence[Finding]) -> Iterator[str]:
    rows = zip(members, findings, strict=True)
    other = [("/".join(member.parts), finding.mode) for member, finding in rows if finding.mode not in ("", "RGB")]
    if other:
        modes = ", ".join(f"{count:,} {mode}" for mode, count in sorted(Counter(mode for _, mode in other).items()))
        yield listed(f"Images in other colour modes ({modes}) are converted to RGB", [name for name, _ in other])


def _kinds(members: Sequence[Member], findings: Sequence[Finding]) -> Iterator[str]:
    pairs = zip(members, findings, strict=True)
    return listed_kinds(("/".join(member.parts), finding.kinds) for member, finding in pairs)


def _repeated(images: Sequence[Usable], part: Callable[[Place], str]) -> list[str]:
    """Names of images with the same bytes where `part` of the place differs, for example "a/1.jpg = b/7.jpg"."""
    times = Counter(image.digest for image in images)
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for image in images:
        if (
            times[image.digest] > 1
        ):  # few are: a dictionary for each of a million images would be the larger part of all
            names[image.digest].setdefault(part(image.place), image.name)
    return [" = ".join(copies.values()) for copies in names.values() if len(copies) > 1]
