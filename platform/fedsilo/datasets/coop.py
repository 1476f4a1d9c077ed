"""The few-shot sets of CoOp as its users have them on disk, with its splits and its hand-written prompts.

    <root>/oxford_pets/split_zhou_OxfordPets.json     lists "train", "val" and "test" of [path, label, class name]
    <root>/oxford_pets/images/                        where the paths start

Training is the whole "train" list and testing the "test" list, as in the federated prompt papers; "val" is left alone.

Source: Zhou et al., "Learning to prompt for vision-language models", IJCV 2022, arXiv:2109.01134.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fedsilo.contracts import Dataset, Examples, LabelledImages
from fedsilo.errors import DataError
from fedsilo.fields import key
from fedsilo.imagefiles.reading import FileImages, inspect
from fedsilo.imagefiles.sources import FolderSource, expand
from fedsilo.imagefiles.survey import listed

GUIDE = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one set lies below the root.

    Attributes:
        folder: The set's folder.
        images: The folder in it where the split's paths start; "" for the set's folder itself.
        split: The split file in it.
        template: The hand-written prompt.
    """

    folder: str
    images: str
    split: str
    template: str = "a photo of a {}."


COLLECTIONS = {
    "caltech101": Layout("caltech-101", "101_ObjectCategories", "split_zhou_Caltech101.json"),
    "dtd": Layout("dtd", "images", "split_zhou_DescribableTextures.json", "{} texture."),
    "eurosat": Layout("eurosat", "2750", "split_zhou_EuroSAT.json", "a centered satellite photo of {}."),
    "food101": Layout("food-101", "images", "split_zhou_Food101.json", "a photo of {}, a type of food."),
    "oxford_flowers": Layout(
        "oxford_flowers", "jpg", "split_zhou_OxfordFlowers.json", "a photo of a {}, a type of flower."
    ),
    "oxford_pets": Layout("oxford_pets", "images", "split_zhou_OxfordPets.json", "a photo of a {}, a type of pet."),
    "stanford_cars": Layout("stanford_cars", "", "split_zhou_StanfordCars.json"),
    "sun397": Layout("sun397", "SUN397", "split_zhou_SUN397.json"),
    "ucf101": Layout("ucf101", "UCF-101-midframes", "split_zhou_UCF101.json", "a photo of a person doing {}."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One image of a split file: its path from the images' folder, its class and the class's name."""

    path: str
    label: int
    name: str


@dataclass(frozen=True, slots=True)
class Coop(Dataset):
    """A set in CoOp's layout: its images, its split_zhou_*.json, its prompt template."""

    collection: str = key("caltech101", "Which set.", *COLLECTIONS)
    root: str = key("data", "Folder that holds the sets' folders; ~ is the home folder, else from the current one.")
    template: str = key("", "Prompt of the zero-shot row, with {} for the class; empty: CoOp's for the set.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields; whether the files are there is seen when they are loaded."""
        problems = [] if self.root else ["root: missing. Give the folder that holds the sets' folders."]
        if self.template and "{}" not in self.template:
            problems.append(f"template: must have {{}} where the class goes, got '{self.template}'.")
        return problems

    def load(self, seed: int) -> LabelledImages:
        """Returns the set; nothing is drawn. Raises DataError that says what is missing and where to put it."""
        layout = COLLECTIONS[self.collection]
        folder = expand(self.root) / layout.folder
        self._require(folder, layout)
        rows = {split: _rows(folder / layout.split, split) for split in SPLITS}
        classes = _classes(folder / layout.split, [row for split in SPLITS for row in rows[split]])
        source = FolderSource(str(folder / layout.images))
        return LabelledImages(
            classes=tuple(" ".join(name.replace("_", " ").split()) for name in classes),
            domains=(self.collection,),
            template=self.template or layout.template,
            train=self._examples(source, rows["train"], layout),
            test=self._examples(source, rows["test"], layout),
            notices=(
                f"{self.collection} by {layout.split}: {len(classes)} classes, {len(rows['train']):,} training and "
                f"{len(rows['test']):,} test images; its {len(rows['val']):,} validation images are not used.",
            ),
        )

    def _require(self, folder: Path, layout: Layout) -> None:
        """Raises DataError, naming all of folder, split file and images that are not there."""
        if not folder.is_dir():
            lack = f"there is no folder '{layout.folder}' in '{self.root}' (looked for {folder})"
        else:
            there = (folder / layout.split).is_file(), (folder / layout.images).is_dir()
            absent = [name for name, found in zip((layout.split, f"{layout.images}/"), there, strict=True) if not found]
            if not absent:
                return
            lack = f"{folder} lacks {' and '.join(absent)}"
        raise DataError(
            f"data.root: {lack}. {layout.split} and the images go into {layout.folder}/ as {GUIDE} says; "
            "put them there or set data.root."
        )

    def _examples(self, source: FolderSource, rows: Sequence[Row], layout: Layout) -> Examples:
        names = tuple(row.path for row in rows)
        findings = inspect(source, names, pixels=False)
        faults = [f"{name} ({found.fault})" for name, found in zip(names, findings, strict=True) if found.fault]
        if faults:
            raise DataError(
                f"data.root: {listed(f'images of {layout.split} that cannot be had from {source.root}', faults)} "
                f"Unpack the whole set there ({GUIDE})."
            )
        digests = tuple(found.digest for found in findings)
        labels = np.array([row.label for row in rows], dtype=np.int64)
        return Examples(
            labels=labels, domains=np.zeros_like(labels), fetch=FileImages(source, names, digests), digests=digests
        )


def _rows(file: Path, split: str) -> list[Row]:
    """The rows of one list of a split file. Raises DataError when they are not what they should be."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = [_row(*entry) for entry in content[split]]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(
            f"{file}: not a split file of CoOp: {split}: {type(error).__name__} {error}. Fetch it again ({GUIDE})."
        ) from error
    if not rows and split != "val":
        raise DataError(f"{file}: its list '{split}' is empty. Fetch it again ({GUIDE}).")
    return rows


def _row(path: Any, label: Any, name: Any) -> Row:
    sound = isinstance(path, str) and isinstance(name, str) and type(label) is int and label >= 0 and name.strip()
    if not sound or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"[{path!r}, {label!r}, {name!r}] is not [path, label, class name]")
    return Row(path, label, name)


def _classes(file: Path, rows: Sequence[Row]) -> list[str]:
    """Class names in label order. Raises DataError when labels have gaps or two names."""
    names: dict[int, str] = {}
    for row in rows:
        if names.setdefault(row.label, row.name) != row.name:
            raise DataError(
                f"{file}: label {row.label} is both '{names[row.label]}' and '{row.name}'. Fetch it again ({GUIDE})."
            )
    if sorted(names) != list(range(len(names))) or len(names) < 2:
        raise DataError(
            f"{file}: labels must run from 0 without a gap, and there are {len(names)} up to {max(names)}. "
            f"Fetch it again ({GUIDE})."
        )
    return [names[label] for label in range(len(names))]
