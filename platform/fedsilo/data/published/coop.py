"""The sets of CoOp: its folders, splits and hand-written prompts; or torchvision's folders and the sets' own splits.

    <root>/oxford_pets/split_zhou_OxfordPets.json     lists "train", "val" and "test" of [path, label, class name]
    <root>/oxford_pets/images/                        where the paths start

With CoOp's split, training is the whole "train" list and testing the "test" list, as in the federated prompt papers;
"val" is left alone. Classes, their names and their order are CoOp's with either split.

Source: Zhou et al., "Learning to prompt for vision-language models", IJCV 2022, arXiv:2109.01134.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedsilo.core import Dataset, Examples, Indices, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import numpy_generator
from fedsilo.data import train_test_split as holdout
from fedsilo.data.files.file_sources import FolderSource, expand
from fedsilo.data.files.folder_layouts import spoken
from fedsilo.data.published.card import Card, download_problems, root_problems, template_problems
from fedsilo.data.published.labelled_images import Lists, Row, class_names, digests_of, examples, leaks, read, row
from fedsilo.data.published.unpacking import obtain

GUIDE = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"
AGAIN = f"Fetch it again ({GUIDE})."
LISTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a set lies below the root.

    Attributes:
        homes: Folders that may hold it: CoOp's, then torchvision's.
        images: The folder in it where paths start; "" for the set's folder itself.
        split: CoOp's split file in it.
        own: The files in it that torchvision's split is read from; none where torchvision has no such images.
        beside: Other files that CoOp's split needs.
        coop_images: How many images CoOp's split has, where it leaves some out; 0: all.
    """

    homes: tuple[str, ...]
    images: str
    split: str
    own: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    coop_images: int = 0

    @property
    def coop(self) -> tuple[str, ...]:
        """All files that CoOp's split is read from."""
        return (self.split, *self.beside)


@dataclass(frozen=True, slots=True)
class CoopSet(Dataset):
    """A set with CoOp's split, or with torchvision's."""

    card: ClassVar[Card]
    layout: ClassVar[Layout]

    root: str = key("data", "Folder that holds the sets' folders; ~ is the home folder, else from the current one.")
    split: str = key(
        "auto",
        "Whose folders and split: CoOp's, torchvision's, or auto: CoOp's where its split file is, else torchvision's.",
        "auto",
        "coop",
        "torchvision",
    )
    download: bool = key(False, "Fetch what is missing into the root, as torchvision would have it.")
    template: str = key("", "Prompt of the zero-shot row, with {} for the class; empty: CoOp's for the set.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields; whether the files are there is seen when they are loaded."""
        problems = [*root_problems(self.root), *template_problems(self.template)]
        if self.split == "torchvision" and not self.layout.own:
            problems.append(f"split: torchvision has no images of {self.card.name}. Use coop.")
        if self.download and self.split == "coop" and self.layout.split not in self.layout.own:
            problems.append(f"download: CoOp's split file is not among it. Put {self.layout.split} by hand ({GUIDE}).")
        return [*problems, *download_problems(self.card, self.download)]

    def load(self, seed: int) -> LabelledImages:
        """Returns the set; only a split that nobody published is drawn. Raises DataError: what is missing, where."""
        found = self._lists()
        if found is None and self.download:
            obtain(self.card.archives, expand(self.root))
            found = self._lists()
        if found is None:
            raise DataError(self._lack())
        home, lists = found
        get = AGAIN if lists.origin == self.layout.split else f"Fetch it again. {self.card.get}"
        classes = class_names((*lists.train, *lists.test, *lists.unused), str(home / lists.origin), get)
        parts, notices = self._parts(home, lists, seed)
        return LabelledImages(
            classes=tuple(map(spoken, classes)),
            domains=(self.card.name,),
            template=self.template or self.card.template,
            train=parts[0],
            test=parts[1],
            notices=(
                self._headline(lists, len(classes), (len(parts[0]), len(parts[1]))),
                *notices,
                *leaks(*parts),
            ),
        )

    def own_lists(self, home: Path) -> Lists:
        """Returns the set's own split, from the files that are in its folder; raises whatever reading them raises."""
        raise DataError(f"{self.card.name}: it has no split but CoOp's. {self.card.get}")

    def held_out(self, labels: Indices, digests: Sequence[str], seed: int) -> NDArray[np.bool_]:
        """Returns which images are held out where no split is published. Raises DataError for a set that has one."""
        raise DataError(f"data.root: the test list of {self.card.name} has no image. Fetch it again. {self.card.get}")

    def drawing(self) -> str:
        """Returns what is to be known of images that are held out."""
        return ""

    def _parts(self, home: Path, lists: Lists, seed: int) -> tuple[tuple[Examples, Examples], list[str]]:
        """Training and test examples, and what should be known of how they were parted."""
        rows = (*lists.train, *lists.test)
        source = FolderSource(str(home / self.layout.images))
        names = [entry.path for entry in rows]
        unpack = f"Unpack the whole set there. {self.card.get}"
        digests = digests_of(source, names, source.root, lists.origin, unpack)
        labels = np.array([entry.label for entry in rows], dtype=np.int64)
        held, notices = np.arange(len(rows)) >= len(lists.train), []
        if not lists.test:
            held = self.held_out(labels, digests, seed)
            notices = [self.drawing()]
        if held.all():
            raise DataError(f"data.root: the training list of {self.card.name} has no image. {self.card.get}")

        def part(places: Indices) -> Examples:
            chosen = [names[place] for place in places], labels[places], [digests[place] for place in places]
            return examples(source, *chosen)

        return (part(np.flatnonzero(~held)), part(np.flatnonzero(held))), notices

    def _headline(self, lists: Lists, classes: int, sizes: tuple[int, int]) -> str:
        rest = ""
        if lists.unused:
            rest = f"; its {len(lists.unused):,} validation images are not used"
        total = sum(sizes) + len(lists.unused)
        images = (lists.origin == self.layout.split and self.layout.coop_images) or self.card.images
        if (classes, total) != (self.card.classes, images):
            rest += f"; the published set has {self.card.classes} classes and {images:,} images"
        return (
            f"{self.card.name} by {lists.origin}: {classes} classes, {sizes[0]:,} training and {sizes[1]:,} test images"
            f"{rest}."
        )

    def _homes(self) -> list[Path]:
        return [expand(self.root) / home for home in self.layout.homes]

    def _home_of_coop(self) -> Path | None:
        """The folder that has CoOp's split file, where it may be used."""
        if self.split == "torchvision":
            return None
        return next((home for home in self._homes() if (home / self.layout.split).is_file()), None)

    def _lists(self) -> tuple[Path, Lists] | None:
        """The folder and the images by the split that is wanted; None where it is not there."""
        coop = self._home_of_coop()
        if coop is not None:
            return None if self._absent(coop, self.layout.coop) else (coop, self.coop_lists(coop))
        if self.split == "coop" or not self.layout.own:
            return None
        home = next((home for home in self._homes() if not self._absent(home, self.layout.own)), None)
        return None if home is None else (home, read(home, self.own_lists, "as torchvision leaves it", self.card.get))

    def coop_lists(self, home: Path) -> Lists:
        """Returns the images by CoOp's split file. Raises DataError when it is damaged."""
        file = home / self.layout.split
        found = {name: _split_rows(file, name) for name in LISTS}
        return Lists(found["train"], found["test"], self.layout.split, found["val"])

    def _absent(self, home: Path, files: Sequence[str]) -> list[str]:
        """Which of some files and of the images' folder are not there, or are empty."""
        absent = [name for name in files if not (home / name).exists() or not (home / name).stat().st_size]
        images = self.layout.images
        return [*absent, *([f"{images}/"] if images and not (home / images).is_dir() else [])]

    def _lack(self) -> str:
        """All that is missing, where it should lie, and how to get it, in one line."""
        layout, root, coop = self.layout, expand(self.root), self._home_of_coop()
        homes = layout.homes[1:] if self.split == "torchvision" and len(layout.homes) > 1 else layout.homes
        home = coop or next((root / name for name in homes if (root / name).is_dir() and name), None)
        wanted = layout.own if self.split == "torchvision" else layout.coop
        if home is None:
            what = f"there is no folder '{homes[0] or layout.images}' in '{self.root}'"
            lack = f"{what} (looked for {root / (homes[0] or layout.images)})"
        else:
            lack = f"{home} lacks {' and '.join(self._absent(home, wanted))}"
            if self.split == "auto" and layout.own and coop is None:
                lack += f" (or, for torchvision's split, {', '.join(self._absent(home, layout.own))})"
        put = f"{layout.split} and the images go into {layout.homes[0]}/ as {GUIDE} says"
        put += "; put them there or set data.root."
        return f"data.root: {lack}. {self.card.get if self.split == 'torchvision' else put}{self._offer()}"

    def _offer(self) -> str:
        """How to have it without a browser."""
        if not self.card.archives:
            return "" if self.split == "torchvision" else f" {self.card.get}"
        if self.split == "coop":
            return ""
        return (
            f" Or fetch torchvision's files ({self.card.size}): fedsilo data get {self.card.name} --root {self.root}, "
            "or data.download=true."
        )


@dataclass(frozen=True, slots=True)
class UnsplitCoopSet(CoopSet):
    """A set that nobody but CoOp has split: without its file, test images are drawn."""

    test_fraction: float = key(
        0.3, "Part of each class held out for testing where CoOp's split file is not there, in (0, 1)."
    )

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields."""
        return [*CoopSet.problems(self), *holdout.fraction_problems("test_fraction", self.test_fraction)]

    def held_out(self, labels: Indices, digests: Sequence[str], seed: int) -> NDArray[np.bool_]:
        """Returns which images are held out, drawn in each class."""
        return holdout.held_out(labels, digests, self.test_fraction, numpy_generator(seed, "holdout"))

    def drawing(self) -> str:
        """Returns that it was drawn, which no published number was."""
        return (
            f"{self.card.name} has no published split: test images are drawn by the seed, {self.test_fraction:g} of "
            "each class. They are not CoOp's, whose split file is not there."
        )


def _split_rows(file: Path, split: str) -> tuple[Row, ...]:
    """The rows of one list of a split file. Raises DataError when they are not what they should be."""

    def parse(file: Path) -> tuple[Row, ...]:
        return tuple(row(*entry) for entry in json.loads(file.read_text(encoding="utf-8"))[split])

    rows = read(file, parse, f"a split file of CoOp: {split}", AGAIN)
    if not rows and split != "val":
        raise DataError(f"{file}: its list '{split}' is empty. {AGAIN}")
    return rows
