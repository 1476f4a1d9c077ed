"""The user's own images: a folder, or a zip, with sub-folders named after class, domain and split."""

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
from fedsilo.data import train_test_split
from fedsilo.data.files.file_sources import Source, open_source
from fedsilo.data.files.folder_layouts import EXPECTED, LAYOUTS, TEST, TRAIN, ImageTree, arrange, to_prompt_name
from fedsilo.data.files.image_reading import FileImages
from fedsilo.data.files.tree_survey import Usable, remarks, summarize_names, survey
from fedsilo.data.files.user_paths import expand, is_missing

Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class ImageFolder(Dataset):
    """Image files sorted into folders by class and optionally by domain and split.

    Classes and domains are numbered by the sorted names of their folders. Every file is decoded once to check it.
    Notices report what is left out or converted.
    """

    root: str = key("", "Folder, or .zip of one; ~ is the home folder, other paths start at the current folder.")
    layout: str = key(
        "auto",
        "How to read the folders: 'classes' is <class>/*, 'domains' <domain>/<class>/*, 'splits' train|test/<class>/* "
        "or train|test/<domain>/<class>/*; 'auto' recognizes it.",
        *LAYOUTS,
    )
    test_fraction: float = key(
        0.25, "Fraction of each class and domain for testing where the folders have no splits, in (0, 1)."
    )
    image_limit: int = key(0, "Greatest number of images of each class in each domain and split, drawn; 0 takes all.")
    template: str = key("a photo of a {}.", "Prompt of the zero-shot row, with {} for the class.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        problems = []
        if not self.root:
            problems.append("root: missing. Give a folder of images or a .zip of one.")
        elif is_missing(self.root):
            problems.append(f"root: there is no folder or zip '{self.root}' (looked for {expand(self.root)}).")
        problems += train_test_split.fraction_problems("test_fraction", self.test_fraction)
        if self.image_limit < 0:
            problems.append(f"image_limit: must be 0 (all) or more, got {self.image_limit}.")
        if "{}" not in self.template:
            problems.append(f"template: must have {{}} where the class goes, got '{self.template}'.")
        return problems

    def load(self, seed: int) -> LabelledImages:
        """Reads and checks the images, and draws the test split if the folders have none.

        Args:
            seed: Seed of the test split and of `image_limit`.

        Returns:
            The data set.

        Raises:
            DataError: There are too few usable images.
        """
        source = open_source(self.root)
        tree = arrange(source.listing(), self.layout)
        images, notices = survey(source, tree, self.image_limit, numpy_generator(seed, "image limit"))
        if tree.layout != "splits":
            images = _draw_test(images, self.test_fraction, numpy_generator(seed, "holdout"))
        folders = sorted({image.place.label for image in images})
        domains = sorted({image.place.domain for image in images})
        parts = {split: [image for image in images if image.place.split == split] for split in (TRAIN, TEST)}
        self._refuse(folders, parts, notices)
        return LabelledImages(
            classes=tuple(map(to_prompt_name, folders)),
            domains=tuple(domain or expand(self.root).stem for domain in domains),
            template=self.template,
            train=_examples(source, parts[TRAIN], folders, domains),
            test=_examples(source, parts[TEST], folders, domains),
            notices=(
                _headline(tree, folders, domains, parts),
                *notices,
                *remarks(images),
                *_report_same_prompts(folders),
                *_report_guessed_names([*folders, *domains]),
            ),
        )

    def _refuse(self, folders: Sequence[str], parts: dict[str, list[Usable]], notices: Sequence[str]) -> None:
        """Raises one DataError line with all notices if the usable images are too few."""
        if not folders:
            lack = "no usable image is left"
        elif len(folders) == 1:
            lack = f"only the class '{make_printable(folders[0])}' is left, two are needed"
        elif not all(parts.values()):
            lack = "no usable image is left " + " and ".join(f"for {split}" for split in parts if not parts[split])
        else:
            return
        raise DataError(f"data.root: '{make_printable(self.root)}': {lack}. {' '.join(notices)} {EXPECTED}.")


def _draw_test(images: Sequence[Usable], fraction: float, generator: np.random.Generator) -> list[Usable]:
    """Assigns splits, drawn in each class of each domain; copies of one image stay in one split."""
    places = _number(dict.fromkeys(image.place for image in images))
    cells = np.array([places[image.place] for image in images], dtype=np.int64)
    held = train_test_split.draw_held_out(cells, [image.digest for image in images], fraction, generator)
    return [
        replace(image, place=replace(image.place, split=TEST if test else TRAIN))
        for image, test in zip(images, held, strict=True)
    ]


def _number(names: Iterable[Name]) -> dict[Name, int]:
    return {name: number for number, name in enumerate(names)}


def _examples(source: Source, images: Sequence[Usable], folders: Sequence[str], domains: Sequence[str]) -> Examples:
    digests = tuple(image.digest for image in images)
    label, domain = _number(folders), _number(domains)
    return Examples(
        labels=np.array([label[image.place.label] for image in images], dtype=np.int64),
        domains=np.array([domain[image.place.domain] for image in images], dtype=np.int64),
        fetch=FileImages(source, tuple(image.name for image in images), digests),
        digests=digests,
    )


def _headline(tree: ImageTree, folders: Sequence[str], domains: Sequence[str], parts: dict[str, list[Usable]]) -> str:
    """Describes in one line how the folders were read."""
    inside = f" inside {make_printable('/'.join(tree.passed))}" if tree.passed else ""
    drawn = "" if tree.layout == "splits" else " (drawn)"
    extent = f"{len(domains)} domains x {len(folders)} classes" if len(domains) > 1 else f"{len(folders)} classes"
    return (
        f"Read as {tree.pattern}{inside}: {extent}, "
        f"{len(parts[TRAIN]):,} training and {len(parts[TEST]):,} test images{drawn}."
    )


def _report_guessed_names(names: Sequence[str]) -> list[str]:
    """Reports folders with names that are not UTF-8."""
    found = [name for name in names if is_guessed(name)]
    what = "Names of folders that are not UTF-8 are read as Latin-1, rename the folders if that is wrong"
    return [summarize_names(what, found)] if found else []


def _report_same_prompts(folders: Sequence[str]) -> list[str]:
    """Reports classes with the same name in prompts."""
    times = Counter(to_prompt_name(folder).casefold() for folder in folders)
    same = [folder for folder in folders if times[to_prompt_name(folder).casefold()] > 1]
    return [summarize_names("Classes that read the same in a prompt, or but for capitals", same)] if same else []
