"""The data sets of CoOp: its folders, splits and hand-written prompts, or torchvision's folders and published splits.

    <root>/oxford_pets/split_zhou_OxfordPets.json     lists "train", "val" and "test" of [path, label, class name]
    <root>/oxford_pets/images/                        the folder where these paths start

With CoOp's split, the whole "train" list is used for training and the "test" list for testing, as in the federated
prompt papers; the "val" list is not used. Classes, their names and their order are CoOp's with either split.

Source: Zhou et al., "Learning to prompt for vision-language models", IJCV 2022, arXiv:2109.01134.
"""

from __future__ import annotations

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
from fedsilo.data import train_test_split
from fedsilo.data.files.file_sources import FolderSource
from fedsilo.data.files.folder_layouts import to_prompt_name
from fedsilo.data.files.user_paths import expand
from fedsilo.data.published.coop_layout import FETCH_AGAIN, GUIDE, LISTS, CoopLayout, read_split_rows
from fedsilo.data.published.dataset_card import Card, download_problems, root_problems, template_problems
from fedsilo.data.published.labelled_images import (
    Lists,
    compute_digests,
    make_examples,
    order_class_names,
    read_annotations,
    report_leaks,
)
from fedsilo.data.published.unpacking import obtain


@dataclass(frozen=True, slots=True)
class CoopSet(Dataset):
    """A data set with CoOp's split or torchvision's."""

    card: ClassVar[Card]
    layout: ClassVar[CoopLayout]

    root: str = key(
        "data", "Folder that holds the sets' folders; ~ is the home folder, other paths start at the current folder."
    )
    split: str = key(
        "auto",
        "Folders and split: CoOp's, torchvision's, or auto: CoOp's where its split file exists, else torchvision's.",
        "auto",
        "coop",
        "torchvision",
    )
    download: bool = key(False, "Download missing files into the root, in torchvision's layout.")
    template: str = key("", "Prompt of the zero-shot row, with {} for the class; empty: CoOp's for the set.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields; missing files are reported when the data is loaded."""
        problems = [*root_problems(self.root), *template_problems(self.template)]
        if self.split == "torchvision" and not self.layout.own:
            problems.append(f"split: torchvision has no images of {self.card.name}. Use coop.")
        if self.download and self.split == "coop" and self.layout.split not in self.layout.own:
            problems.append(
                f"download: it does not include CoOp's split file. Add {self.layout.split} by hand ({GUIDE})."
            )
        return [*problems, *download_problems(self.card, self.download)]

    def load(self, seed: int) -> LabelledImages:
        """Loads the set by the split that the fields ask for, and downloads it first if that is requested and needed.

        Args:
            seed: Seed of the test split, for sets without a published one; otherwise nothing is drawn.

        Returns:
            The data set.

        Raises:
            DataError: Files are missing or damaged; the message says which, where they belong and how to get them.
        """
        found = self._find_lists()
        if found is None and self.download:
            obtain(self.card.archives, expand(self.root))
            found = self._find_lists()
        if found is None:
            raise DataError(self._explain_lack())
        home, lists = found
        get = FETCH_AGAIN if lists.origin == self.layout.split else f"Fetch it again. {self.card.get}"
        classes = order_class_names((*lists.train, *lists.test, *lists.unused), str(home / lists.origin), get)
        parts, notices = self._split_examples(home, lists, seed)
        return LabelledImages(
            classes=tuple(map(to_prompt_name, classes)),
            domains=(self.card.name,),
            template=self.template or self.card.template,
            train=parts[0],
            test=parts[1],
            notices=(
                self._headline(lists, len(classes), (len(parts[0]), len(parts[1]))),
                *notices,
                *report_leaks(*parts),
            ),
        )

    def read_own_lists(self, home: Path) -> Lists:
        """Reads the set's own split from the files in its folder.

        Args:
            home: The set's folder.

        Returns:
            The images by split.

        Raises:
            DataError: The set has no split other than CoOp's. Overrides raise any error of the file format.
        """
        raise DataError(f"{self.card.name}: it has no split other than CoOp's. {self.card.get}")

    def draw_held_out(self, labels: Indices, digests: Sequence[str], seed: int) -> NDArray[np.bool_]:
        """Draws the test images of a set without a published split.

        Args:
            labels: (n,) class of each image.
            digests: (n,) digest of each image.
            seed: Seed of the scenario.

        Returns:
            (n,) whether an image is a test image.

        Raises:
            DataError: The set has a published split, but its test list is empty.
        """
        raise DataError(f"data.root: the test list of {self.card.name} has no image. Fetch it again. {self.card.get}")

    def describe_drawing(self) -> str:
        """Returns a notice about a drawn test split; "" for sets with a published split."""
        return ""

    def _split_examples(self, home: Path, lists: Lists, seed: int) -> tuple[tuple[Examples, Examples], list[str]]:
        """Makes training and test examples, and a notice if the test split is drawn."""
        rows = (*lists.train, *lists.test)
        source = FolderSource(str(home / self.layout.images))
        names = [entry.path for entry in rows]
        unpack = f"Unpack the whole set there. {self.card.get}"
        digests = compute_digests(source, names, source.root, lists.origin, unpack)
        labels = np.array([entry.label for entry in rows], dtype=np.int64)
        held, notices = np.arange(len(rows)) >= len(lists.train), []
        if not lists.test:
            held = self.draw_held_out(labels, digests, seed)
            notices = [self.describe_drawing()]
        if held.all():
            raise DataError(f"data.root: the training list of {self.card.name} has no image. {self.card.get}")

        def part(places: Indices) -> Examples:
            chosen = [names[place] for place in places], labels[places], [digests[place] for place in places]
            return make_examples(source, *chosen)

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
        """Finds the folder with CoOp's split file; None if there is none or torchvision's split is wanted."""
        if self.split == "torchvision":
            return None
        return next((home for home in self._homes() if (home / self.layout.split).is_file()), None)

    def _find_lists(self) -> tuple[Path, Lists] | None:
        """Reads the images by the wanted split; None where its files are missing."""
        coop = self._home_of_coop()
        if coop is not None:
            return None if self.layout.find_absent(coop, self.layout.coop) else (coop, self.read_coop_lists(coop))
        if self.split == "coop" or not self.layout.own:
            return None
        home = next((home for home in self._homes() if not self.layout.find_absent(home, self.layout.own)), None)
        return (
            None
            if home is None
            else (home, read_annotations(home, self.read_own_lists, "as torchvision leaves it", self.card.get))
        )

    def read_coop_lists(self, home: Path) -> Lists:
        """Reads CoOp's split file.

        Args:
            home: The set's folder.

        Returns:
            The images by split.

        Raises:
            DataError: The file is damaged.
        """
        file = home / self.layout.split
        found = {name: read_split_rows(file, name) for name in LISTS}
        return Lists(found["train"], found["test"], self.layout.split, found["val"])

    def _explain_lack(self) -> str:
        """Says in one line which files are missing, where they belong and how to get them."""
        layout, root, coop = self.layout, expand(self.root), self._home_of_coop()
        homes = layout.homes[1:] if self.split == "torchvision" and len(layout.homes) > 1 else layout.homes
        home = coop or next((root / name for name in homes if (root / name).is_dir() and name), None)
        wanted = layout.own if self.split == "torchvision" else layout.coop
        if home is None:
            what = f"there is no folder '{homes[0] or layout.images}' in '{self.root}'"
            lack = f"{what} (looked for {root / (homes[0] or layout.images)})"
        else:
            lack = f"{home} lacks {' and '.join(self.layout.find_absent(home, wanted))}"
            if self.split == "auto" and layout.own and coop is None:
                lack += f" (or, for torchvision's split, {', '.join(self.layout.find_absent(home, layout.own))})"
        put = f"{layout.split} and the images go into {layout.homes[0]}/ as {GUIDE} says"
        put += "; put them there or set data.root."
        return f"data.root: {lack}. {self.card.get if self.split == 'torchvision' else put}{self._explain_download()}"

    def _explain_download(self) -> str:
        """Says how to download the set from the command line."""
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
    """A data set that only CoOp has split: without CoOp's file, test images are drawn."""

    test_fraction: float = key(0.3, "Fraction of each class for testing where CoOp's split file is missing, in (0, 1).")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        return [*CoopSet.problems(self), *train_test_split.fraction_problems("test_fraction", self.test_fraction)]

    def draw_held_out(self, labels: Indices, digests: Sequence[str], seed: int) -> NDArray[np.bool_]:
        """Draws test images class by class; copies of one image stay in one split.

        Args:
            labels: (n,) class of each image.
            digests: (n,) digest of each image.
            seed: Seed of the scenario.

        Returns:
            (n,) whether an image is a test image.
        """
        return train_test_split.draw_held_out(labels, digests, self.test_fraction, numpy_generator(seed, "holdout"))

    def describe_drawing(self) -> str:
        """Returns a notice that the test split is drawn, so that published numbers do not apply."""
        return (
            f"{self.card.name} has no published split: test images are drawn by the seed, {self.test_fraction:g} of "
            "each class. They are not CoOp's, because its split file is missing."
        )
