"""Any data set with a column of images and one of labels, from the Hugging Face Hub or a folder.

    data: {name: huggingface, path: uoft-cs/cifar10, image: img, label: label}
    data: {name: huggingface, path: folder/that/save_to_disk/wrote, test: ""}     the test split is drawn

It is read by the package `datasets`, which fedsilo does not install: pip install 'fedsilo[huggingface]'. Images stay
in the Arrow files of `datasets` until they are fetched. What `load_dataset` has downloaded once is found offline.

Source: Lhoest et al., "Datasets: a community library for natural language processing", EMNLP 2021, arXiv:2109.02846.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fedsilo.core import Dataset, Examples, Indices, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import numpy_generator
from fedsilo.data import train_test_split
from fedsilo.data.files.bit_depth import is_deep
from fedsilo.data.files.folder_layouts import to_prompt_name
from fedsilo.data.files.image_reading import decode, decoded, digest
from fedsilo.data.files.tree_survey import summarize_kinds
from fedsilo.data.files.user_paths import from_home
from fedsilo.data.published.dataset_card import template_problems
from fedsilo.data.published.labelled_images import report_leaks


@dataclass(frozen=True, slots=True)
class RowImages:
    """Images in the rows of a table.

    Attributes:
        rows: The table: a `datasets.Dataset` with undecoded images.
        column: Name of its column of images.
    """

    rows: Any
    column: str

    def survey(self) -> tuple[tuple[str, ...], dict[int, tuple[str, ...]]]:
        """Hashes all images.

        Returns:
            (n,) digests of the images' bytes, and the kinds of images that are scaled to 8 bits, by row.

        Raises:
            DataError: A row has no image.
        """
        cells = (cell for batch in self.rows.iter(256) for cell in batch[self.column])
        digests: list[str] = []
        kinds: dict[int, tuple[str, ...]] = {}
        for i, cell in enumerate(cells):
            data = self._bytes(cell, i)
            digests.append(digest(data))
            if is_deep(data):
                kinds[i] = _kinds(data)
        return tuple(digests), kinds

    def _bytes(self, cell: Any, i: int) -> bytes:
        try:
            return cell["bytes"] or Path(cell["path"]).read_bytes()
        except (OSError, TypeError) as error:
            raise DataError(f"data.path: row {i}: no image in the column '{self.column}': {error}.") from error

    def __call__(self, i: int) -> Image.Image:
        """Returns image i. Raises DataError when it is damaged."""
        try:
            return decode(self._bytes(self.rows[i][self.column], i))
        except DataError:
            raise
        except Exception as error:  # decoders raise any error
            reason = " ".join(str(error).split())[:80]
            raise DataError(f"data.path: row {i}: not a sound image: {reason}.") from error


@dataclass(frozen=True, slots=True)
class Huggingface(Dataset):
    """A data set of the Hugging Face Hub or of a folder, with columns of images and labels."""

    path: str = key("", "Name on the Hub (org/name), or a folder that `save_to_disk` wrote or `load_dataset` reads.")
    config: str | None = key(None, "Configuration of the data set, if it has several.")
    revision: str | None = key(
        None, "Commit or tag on the Hub; with a commit, a run can be repeated after later uploads."
    )
    train: str = key("train", "Split for training.")
    test: str = key("test", "Split for testing; empty: drawn from the training split.")
    image: str = key("image", "Column with the images.")
    label: str = key("label", "Column with the labels.")
    domain: str | None = key(None, "Column with the domains, if there is one.")
    test_fraction: float = key(
        0.25, "Fraction of each class and domain for testing where the test split is drawn, in (0, 1)."
    )
    template: str = key("a photo of a {}.", "Prompt of the zero-shot row, with {} for the class.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        problems = [] if self.path else ["path: missing. Give a name on the Hub, org/name, or a folder."]
        if not self.train or self.train == self.test:
            problems.append(f"train: must be a split other than test, got '{self.train}' and '{self.test}'.")
        problems += train_test_split.fraction_problems("test_fraction", self.test_fraction)
        return [*problems, *template_problems(self.template or "none")]

    def load(self, seed: int) -> LabelledImages:
        """Loads both splits, and draws the test split if none is named.

        Args:
            seed: Seed of the test split where it is drawn.

        Returns:
            The data set.

        Raises:
            DataError: The package, the data, a split or a column is missing.
        """
        tables = self._load_tables()
        classes, labels = self._encode_column(tables, self.label)
        domains, places = (
            self._encode_column(tables, self.domain)
            if self.domain
            else ((self.path.rstrip("/").rpartition("/")[2],), _zeros(tables))
        )
        found = [
            _examples(table, self.image, *numbers)
            for table, numbers in zip(tables, zip(labels, places, strict=True), strict=True)
        ]
        parts = [part for part, _ in found]
        remarkable = [
            (f"{split} row {row}", of_row)
            for split, (_, kinds) in zip((self.train, self.test), found, strict=False)
            for row, of_row in kinds.items()
        ]
        drawn = ""
        if len(parts) == 1:
            drawn = f", drawn by the seed: {self.test_fraction:g} of each class{' and domain' if self.domain else ''}"
            parts = _draw_test(parts[0], len(classes), self.test_fraction, numpy_generator(seed, "holdout"))
        train, test = parts
        return LabelledImages(
            classes=tuple(map(to_prompt_name, classes)),
            domains=domains,
            template=self.template,
            train=train,
            test=test,
            notices=(
                f"{self.path} read by datasets: {len(classes)} classes, {len(train):,} training and {len(test):,} test "
                f"images{drawn}.",
                *summarize_kinds(remarkable),
                *report_leaks(train, test),
            ),
        )

    def _load_tables(self) -> list[Any]:
        """Loads the training split, and the test split unless it is to be drawn, with undecoded images."""
        library = _library()
        splits = self._load_splits(library)
        wanted = [name for name in (self.train, self.test) if name]
        absent = [name for name in wanted if name not in splits]
        if absent:
            raise DataError(
                f"data: '{self.path}' has no split {' and no split '.join(map(repr, absent))}. Available: "
                f"{', '.join(map(str, splits))}. Set data.train and data.test, or data.test='' to draw it."
            )
        tables = [splits[name] for name in wanted]
        for table in tables:
            self._require_columns(table, library)
        return [table.cast_column(self.image, library.Image(decode=False)) for table in tables]

    def _load_splits(self, library: Any) -> Any:
        """Loads all splits by name."""
        folder = from_home(self.path)
        try:
            if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
                found = library.load_from_disk(str(folder))
            else:
                name = str(folder) if folder.is_dir() else self.path
                found = library.load_dataset(name, self.config, revision=self.revision)
        except Exception as error:  # the Hub, the network and file formats raise errors of many types
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise DataError(
                f"data.path: '{self.path}' could not be loaded: {reason} Correct the name, or go online once: "
                "downloads are kept."
            ) from error
        return found if hasattr(found, "keys") else {self.train: found}

    def _require_columns(self, table: Any, library: Any) -> None:
        """Raises DataError if columns are missing, with all their names, or if the image column has no images."""
        columns = [name for name in (self.image, self.label, self.domain) if name]
        absent = [name for name in columns if name not in table.column_names]
        there = ", ".join(f"{name} ({_describe_type(feature)})" for name, feature in table.features.items())
        if absent:
            raise DataError(
                f"data: '{self.path}' has no column {' and no column '.join(map(repr, absent))}. Available: {there}. "
                "Set data.image, data.label or data.domain."
            )
        if not isinstance(table.features[self.image], library.Image):
            raise DataError(f"data.image: the column '{self.image}' has no images. Available: {there}.")

    def _encode_column(self, tables: Sequence[Any], column: str) -> tuple[tuple[str, ...], list[Indices]]:
        """Numbers the values of a column: their names in a fixed order, and their numbers in every table."""
        features = [table.features[column] for table in tables]
        values = [list(table.with_format(None)[column][:]) for table in tables]
        empty = sum(value is None for part in values for value in part)
        if empty:
            raise DataError(f"data: '{self.path}': {empty:,} rows have no value in the column '{column}'.")
        if all(hasattr(feature, "names") for feature in features):
            if len({tuple(feature.names) for feature in features}) > 1:
                raise DataError(f"data: '{self.path}': its splits name the values of '{column}' differently.")
            names = tuple(features[0].names)
            numbers = [np.array(part, dtype=np.int64) for part in values]
        else:
            known = sorted({value for part in values for value in part})
            names = tuple(map(str, known))
            place = {value: number for number, value in enumerate(known)}
            numbers = [np.array([place[value] for value in part], dtype=np.int64) for part in values]
        if any((part < 0).any() for part in numbers) or len(names) < (2 if column == self.label else 1):
            raise DataError(
                f"data: '{self.path}': the column '{column}' has unlabelled rows or fewer than two classes."
            )
        return names, numbers


def _library() -> Any:
    """Imports the package `datasets`. Raises DataError when it is not installed."""
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            "data: huggingface needs the package datasets, which is not installed: pip install 'fedsilo[huggingface]'."
        ) from error
    return datasets


def _describe_type(feature: Any) -> str:
    return str(getattr(feature, "dtype", None) or type(feature).__name__)


def _zeros(tables: Sequence[Any]) -> list[Indices]:
    return [np.zeros(len(table), dtype=np.int64) for table in tables]


def _kinds(data: bytes) -> tuple[str, ...]:
    """What kinds an image that is scaled to 8 bits is of; one that is broken is named when it is fetched."""
    try:
        return decoded(data)[1]
    except Exception:  # decoders raise what they like
        return ()


def _examples(
    table: Any, column: str, labels: Indices, domains: Indices
) -> tuple[Examples, dict[int, tuple[str, ...]]]:
    """The examples of a table, and the kinds of those that are scaled to 8 bits, by row."""
    images = RowImages(table.select_columns([column]), column)
    digests, kinds = images.survey()
    return Examples(labels, domains, images, digests), kinds


def _draw_test(examples: Examples, classes: int, fraction: float, generator: np.random.Generator) -> list[Examples]:
    """Splits examples into training and test, drawn in each class of each domain."""
    held = train_test_split.draw_held_out(
        examples.domains * classes + examples.labels, examples.digests, fraction, generator
    )
    return [examples.take(np.flatnonzero(~held)), examples.take(np.flatnonzero(held))]
