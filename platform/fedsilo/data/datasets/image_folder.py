"""Images of one's own: a folder, or a zip of one, whose sub-folders say class, domain and split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from fedsilo.core import Dataset, Examples, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.printing import is_guessed, make_printable
from fedsilo.core.seeds import numpy_generator
from fedsilo.data import train_test_split as holdout
from fedsilo.data.files.file_sources import Source, expand, is_missing, open_source
from fedsilo.data.files.folder_layouts import EXPECTED, LAYOUTS, TEST, TRAIN, Tree, arrange, spoken
from fedsilo.data.files.image_reading import FileImages
from fedsilo.data.files.tree_survey import Usable, listed, remarks, survey

Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class ImageFolder(Dataset):
    """Image files sorted into folders by class and, if there are any, by domain and split.

    Classes and domains are numbered by the sorted names of their folders. Every file is decoded once to see that it
    is sound; whatever is left out or converted is said in the notices.
    """

    root: str = key("", "Folder, or .zip of one; ~ is the home folder, other paths start at the current folder.")
    layout: str = key(
        "auto",
        "How to read the folders: 'classes' is <class>/*, 'domains' <domain>/<class>/*, 'splits' train|test/<class>/* "
        "or train|test/<domain>/<class>/*; 'auto' finds out.",
        *LAYOUTS,
    )
    test_fraction: float = key(
        0.25, "Part of each class and domain held out for testing where the folders have no splits, in (0, 1)."
    )
    image_limit: int = key(0, "At most so many images of each class in each domain and split, drawn; 0 takes all.")
    template: str = key("a photo of a {}.", "Prompt of the zero-shot row, with {} for the class.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        problems = []
        if not self.root:
            problems.append("root: missing. Give a folder of images or a .zip of one.")
        elif is_missing(self.root):
            problems.append(f"root: there is no folder or zip '{self.root}' (looked for {expand(self.root)}).")
        problems += holdout.fraction_problems("test_fraction", self.test_fraction)
        if self.image_limit < 0:
            problems.append(f"image_limit: must be 0 (all) or more, got {self.image_limit}.")
        if "{}" not in self.template:
            problems.append(f"template: must have {{}} where the class goes, got '{self.template}'.")
        return problems

    def load(self, seed: int) -> LabelledImages:
        """Returns the images. Raises DataError when there are none to learn from or to be measured on."""
        source = open_source(self.root)
        tree = arrange(source.listing(), self.layout)
        images, notices = survey(source, tree, self.image_limit, numpy_generator(seed, "image limit"))
        if tree.layout != "splits":
            images = _with_test(images, self.test_fraction, numpy_generator(seed, "holdout"))
        folders = sorted({image.place.label for image in images})
        domains = sorted({image.place.domain for image in images})
        parts = {split: [image for image in images if image.place.split == split] for split in (TRAIN, TEST)}
        self._refuse(folders, parts, notices)
        return LabelledImages(
            classes=tuple(map(spoken, folders)),
            domains=tuple(domain or expand(self.root).stem for domain in domains),
            template=self.template,
            train=_examples(source, parts[TRAIN], folders, domains),
            test=_examples(source, parts[TEST], folders, domains),
            notices=(
                _headline(tree, folders, domains, parts),
                *notices,
                *remarks(images),
                *_alike(folders),
                *_guessed([*folders, *domains]),
            ),
        )

    def _refuse(self, folders: Sequence[str], parts: dict[str, list[Usable]], notices: Sequence[str]) -> None:
        """Raises one DataError line with all that was noticed when the rest is too little to work with."""
        if not folders:
            lack = "no usable image is left"
        elif len(folders) == 1:
            lack = f"only the class '{make_printable(folders[0])}' is left, two are needed"
        elif not all(parts.values()):
            lack = "no usable image is left " + " and ".join(f"for {split}" for split in parts if not parts[split])
        else:
            return
        raise DataError(f"data.root: '{make_printable(self.root)}': {lack}. {' '.join(notices)} {EXPECTED}.")


def _with_test(images: Sequence[Usable], fraction: float, generator: np.random.Generator) -> list[Usable]:
    """The images with a split, drawn in each class of each domain; copies of one image stay on one side."""
    places = _numbers(dict.fromkeys(image.place for image in images))
    cells = np.array([places[image.place] for image in images], dtype=np.int64)
    held = holdout.held_out(cells, [image.digest for image in images], fraction, generator)
    return [
        replace(image, place=replace(image.place, split=TEST if test else TRAIN))
        for image, test in zip(images, held, strict=True)
    ]


def _numbers(names: Iterable[Name]) -> dict[Name, int]:
    return {name: number for number, name in enumerate(names)}


def _examples(source: Source, images: Sequence[Usable], folders: Sequence[str], domains: Sequence[str]) -> Examples:
    digests = tuple(image.digest for image in images)
    label, domain = _numbers(folders), _numbers(domains)
    return Examples(
        labels=np.array([label[image.place.label] for image in images], dtype=np.int64),
        domains=np.array([domain[image.place.domain] for image in images], dtype=np.int64),
        fetch=FileImages(source, tuple(image.name for image in images), digests),
        digests=digests,
    )


def _headline(tree: Tree, folders: Sequence[str], domains: Sequence[str], parts: dict[str, list[Usable]]) -> str:
    """The line that says how the folders were read."""
    inside = f" inside {make_printable('/'.join(tree.passed))}" if tree.passed else ""
    drawn = "" if tree.layout == "splits" else " (drawn)"
    extent = f"{len(domains)} domains x {len(folders)} classes" if len(domains) > 1 else f"{len(folders)} classes"
    return (
        f"Read as {tree.pattern}{inside}: {extent}, "
        f"{len(parts[TRAIN]):,} training and {len(parts[TEST]):,} test images{drawn}."
    )


def _guessed(names: Sequence[str]) -> list[str]:
    """A line on folders whose names are not UTF-8."""
    found = [name for name in names if is_guessed(name)]
    what = "Names of folders that are not UTF-8 are read as Latin-1, rename the folders if that is wrong"
    return [listed(what, found)] if found else []


def _alike(folders: Sequence[str]) -> list[str]:
    """A line on classes that no prompt can tell apart."""
    times = Counter(spoken(folder).casefold() for folder in folders)
    same = [folder for folder in folders if times[spoken(folder).casefold()] > 1]
    return [listed("Classes that read the same in a prompt, or but for capitals", same)] if same else []
