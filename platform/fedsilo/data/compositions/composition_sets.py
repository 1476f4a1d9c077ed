"""Published sets of compositions: MIT-States, UT-Zappos, C-GQA, VAW-CZSL, with the split of the field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedsilo.core import Dataset, Examples, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.data.compositions.metadata_rows import check_rows
from fedsilo.data.compositions.pair_labels import WORLDS, LabelledPairs, label_pairs
from fedsilo.data.compositions.pair_layout import CSV, IMAGES, LISTS_FOLDER, T7, PairFolder, find_pair_folder
from fedsilo.data.compositions.pair_lists import SPLITS, TEST, TRAIN, VALIDATION, PairLists, check_pair_lists
from fedsilo.data.files.tree_survey import summarize_names
from fedsilo.data.files.user_paths import expand
from fedsilo.data.published.dataset_card import Card, root_problems, template_problems
from fedsilo.data.published.labelled_images import report_leaks

TEMPLATE = "a photo of {}"
"""The hand-written prompt of the field: "a photo of wet cat"."""

WORLD = "Candidates: 'closed' are the pairs of the split's lists, 'open' all attributes with all objects."
LIES = f"{IMAGES}/, {LISTS_FOLDER}/{{train,val,test}}_pairs.txt, {T7} or {CSV}"


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Published numbers of a set of compositions.

    Attributes:
        attributes: Number of attributes.
        objects: Number of objects.
        train: Training pairs.
        validation: Seen and unseen pairs of validation.
        test: Seen and unseen pairs of test.
        images: Images of training, validation and test.
    """

    attributes: int
    objects: int
    train: int
    validation: tuple[int, int]
    test: tuple[int, int]
    images: tuple[int, int, int]

    def text(self) -> str:
        """Writes the numbers.

        Returns:
            One phrase without a full stop.
        """
        parts = [f"train {self.train:,} pairs"]
        parts += [f"{name} {seen:,} + {new:,}" for name, (seen, new) in (("val", self.validation), ("test", self.test))]
        images = ", ".join(f"{count:,}" for count in self.images)
        words = f"{self.attributes} attributes x {self.objects} objects"
        return f"{words}; {', '.join(parts)} (seen + unseen); {images} images"


@dataclass(frozen=True, slots=True)
class CompositionSet(Dataset):
    """A published set of compositions in the field's layout."""

    card: ClassVar[Card]
    published: ClassVar[PairCounts]
    homes: ClassVar[tuple[str, ...]]

    root: str = key(
        "data", "Folder that holds the set's folder, or the set's folder itself, or a .zip of it; ~ is the home folder."
    )
    world: str = key("closed", WORLD, *WORLDS)
    template: str = key("", f"Prompt of the zero-shot row, with {{}} for the pair; empty: '{TEMPLATE}'.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields; missing files are reported when the data is loaded."""
        return [*root_problems(self.root), *template_problems(self.template)]

    def load(self, seed: int) -> LabelledImages:
        """Loads the set with its published split.

        Args:
            seed: Not used, nothing is drawn.

        Returns:
            The data set.

        Raises:
            DataError: Files are missing or damaged; the message says which and how to get them.
        """
        folder = find_pair_folder(self.root, self.homes)
        if folder is None:
            raise DataError(
                f"data.root: there is no folder '{self.homes[0]}' with {LISTS_FOLDER}/ and {T7} or {CSV} in "
                f"'{self.root}' (looked in {expand(self.root)}). {self.card.get}"
            )
        return load_layout(
            folder, self.card.name, self.world, self.template or self.card.template, self.card.get, self.published
        )


def load_layout(
    folder: PairFolder, name: str, world: str, template: str, get: str, published: PairCounts | None = None
) -> LabelledImages:
    """Loads a set of compositions from lists of pairs and metadata.

    Args:
        folder: The set's files.
        name: Name of the set, for the domain and for notices.
        world: One of `WORLDS`.
        template: Prompt of the zero-shot row.
        get: How to get missing files.
        published: Published numbers. Where there are some, what is doubtful in the files is a notice, as they were
            published so; otherwise it is an error.

    Returns:
        The data set.

    Raises:
        DataError: Files are missing, damaged or contradict each other.
    """
    lists = folder.read_lists()
    notices = check_pair_lists(lists, folder.name(LISTS_FOLDER), published is None)
    rows, doubtful = check_rows(folder.read_metadata(), lists, folder.name(folder.metadata), published is None)
    labelled = label_pairs(lists, world, folder.name(LISTS_FOLDER))
    found = folder.make_splits(rows, labelled.labels, get)
    counts = count_pairs(lists, found)
    headline = f"{name} by {folder.metadata}, {world} world with {len(labelled.classes):,} pairs: {counts.text()}"
    if published not in (None, counts):
        headline += f". The published set has {published.text()}" if published else ""
    return compose(labelled, found, (name,), template, folder.shown, [f"{headline}.", *notices, *doubtful])


def count_pairs(lists: PairLists, found: Mapping[str, Examples]) -> PairCounts:
    """Counts what is published of a set.

    Args:
        lists: The pairs of each split.
        found: The images of each split.

    Returns:
        The numbers.
    """
    pairs = {*lists.train, *lists.validation, *lists.test}
    of_split = [(len(lists.of(split)) - len(lists.unseen(split)), len(lists.unseen(split))) for split in SPLITS]
    return PairCounts(
        attributes=len({attribute for attribute, _ in pairs}),
        objects=len({name for _, name in pairs}),
        train=len(lists.train),
        validation=of_split[1],
        test=of_split[2],
        images=(len(found[TRAIN]), len(found[VALIDATION]), len(found[TEST])),
    )


def compose(
    labelled: LabelledPairs,
    found: Mapping[str, Examples],
    domains: tuple[str, ...],
    template: str,
    where: str,
    notices: Sequence[str],
) -> LabelledImages:
    """Makes the data set of labelled pairs and examples.

    Args:
        labelled: The pairs.
        found: Examples of each split.
        domains: Names of the domains.
        template: Prompt of the zero-shot row.
        where: Origin of the images, for messages.
        notices: What the user should know so far.

    Returns:
        The data set; without `validation` where there is no validation image.

    Raises:
        DataError: There is no training or no test image.
    """
    for split in (TRAIN, TEST):
        if not len(found[split]):
            raise DataError(f"{where}: no image of the set '{split}'. Training and test need one each at least.")
    validation = found[VALIDATION]
    more = [] if len(validation) else ["There is no validation image, so no model can be selected by validation."]
    return LabelledImages(
        classes=labelled.classes,
        domains=domains,
        template=template,
        train=found[TRAIN],
        test=found[TEST],
        notices=(
            *notices,
            *more,
            *_report_untrained(labelled, found[TRAIN]),
            *_report_alike(labelled),
            *report_leaks(found[TRAIN], found[TEST]),
            *_report_torn(found),
        ),
        pairs=labelled.pairs,
        validation=validation if len(validation) else None,
    )


def _report_untrained(labelled: LabelledPairs, train: Examples) -> list[str]:
    """Reports pairs of the training list without a training image: they count as seen, and are never learned."""
    lacking = np.setdiff1d(np.flatnonzero(labelled.pairs.seen), train.labels)
    names = [labelled.classes[label] for label in lacking.tolist()]
    return [summarize_names("Pairs of the training list without a training image", names)] if names else []


def _report_alike(labelled: LabelledPairs) -> list[str]:
    """Reports pairs with one text, for example "dark blue" + "shirt" and "dark" + "blue shirt"."""
    times = Counter(labelled.classes)
    alike = [text for text, count in times.items() if count > 1]
    what = "Different pairs that read the same in a prompt, between which methods that read names cannot decide"
    return [summarize_names(what, alike)] if alike else []


def _report_torn(found: Mapping[str, Examples]) -> list[str]:
    """Reports images that are byte for byte in more than one pair."""
    first: dict[str, tuple[int, str]] = {}
    torn = []
    for part in found.values():
        for place, (digest, label) in enumerate(zip(part.digests, part.labels.tolist(), strict=True)):
            other, name = first.setdefault(digest, (label, part.name(place)))
            if other != label:
                torn.append(f"{name} = {part.name(place)}")
    return [summarize_names("Images that are byte for byte in more than one pair", torn)] if torn else []
