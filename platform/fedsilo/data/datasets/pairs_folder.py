"""The user's own compositions: a folder, or a zip, of <attribute>_<object>/*, with the field's split files or without.

    <root>/images/<attribute>_<object>/*  or  <root>/<attribute>_<object>/*
    <root>/compositional-split-natural/{train,val,test}_pairs.txt     optional: which pairs are seen
    <root>/metadata.csv (image, attr, obj, set)                       optional beside the lists: which image is where

A folder's name is cut at its first blank, or at its first underscore where it has no blank: "dark casual_shoe" and
"dark_casual_shoe" are "dark" and "casual shoe". Where there are lists, it is cut as they say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fedsilo.core import Dataset, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import numpy_generator
from fedsilo.data.compositions.composition_sets import TEMPLATE, WORLD, compose, count_pairs, load_layout
from fedsilo.data.compositions.pair_labels import WORLDS, label_pairs
from fedsilo.data.compositions.pair_layout import IMAGES, LISTS_FOLDER, PairFolder, find_pair_folder
from fedsilo.data.compositions.pair_lists import SPLITS, PairLists, PairName, all_pairs, check_pair_lists
from fedsilo.data.compositions.pair_split import draw_image_splits, draw_pair_lists, share_problems
from fedsilo.data.files.file_sources import Listing, open_source
from fedsilo.data.files.folder_layouts import arrange
from fedsilo.data.files.tree_survey import Usable, summarize_names, survey
from fedsilo.data.files.user_paths import expand, is_missing
from fedsilo.data.published.dataset_card import template_problems
from fedsilo.data.published.labelled_images import make_examples


@dataclass(frozen=True, slots=True)
class PairsFolder(Dataset):
    """Image files in folders named after an attribute and an object, with split files or a drawn split."""

    root: str = key("", "Folder, or .zip of one; ~ is the home folder, other paths start at the current folder.")
    world: str = key("closed", WORLD, *WORLDS)
    unseen_validation: float = key(
        0.2, "Share of the pairs that only validation images have, drawn where there are no lists of pairs."
    )
    unseen_test: float = key(0.2, "The same for pairs that only test images have.")
    validation_fraction: float = key(
        0.1, "Share of a seen pair's images for validation, drawn where there is no metadata."
    )
    test_fraction: float = key(0.2, "The same for test.")
    template: str = key(TEMPLATE, "Prompt of the zero-shot row, with {} for the pair.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields."""
        problems = []
        if not self.root:
            problems.append("root: missing. Give a folder of <attribute>_<object>/* or a .zip of one.")
        elif is_missing(self.root):
            problems.append(f"root: there is no folder or zip '{self.root}' (looked for {expand(self.root)}).")
        problems += share_problems(self.unseen_validation, self.unseen_test, ("unseen_validation", "unseen_test"))
        names = ("validation_fraction", "test_fraction")
        problems += share_problems(self.validation_fraction, self.test_fraction, names)
        return [*problems, *template_problems(self.template or "empty")]

    def load(self, seed: int) -> LabelledImages:
        """Reads and checks the images, and draws what no file says: which pairs are unseen, which images are tested.

        Args:
            seed: Seed of the draws.

        Returns:
            The data set.

        Raises:
            DataError: Files are damaged or contradict each other, or there are too few usable images.
        """
        folder = find_pair_folder(self.root)
        if folder is not None and not folder.has_lists:
            raise DataError(
                f"data.root: {folder.shown} has {folder.metadata} and no {LISTS_FOLDER}/train_pairs.txt, "
                f"val_pairs.txt and test_pairs.txt. Add these lists, or remove {folder.metadata} to have a split drawn."
            )
        if folder is not None and folder.metadata:
            name = expand(self.root).stem
            return load_layout(folder, name, self.world, self.template, "Is the data complete?")
        return self._load_tree(folder, seed)

    def _load_tree(self, folder: PairFolder | None, seed: int) -> LabelledImages:
        """Loads a tree of images without metadata, by lists of pairs where there are some."""
        images, notices = self._survey(folder, seed)
        folders = sorted({image.place.label for image in images})
        where, lists = str(expand(self.root)), None
        if folder is not None:
            lists = folder.read_lists()
            where = folder.name(LISTS_FOLDER)
        named, odd = _name_pairs(folders, lists)
        if odd:
            what = f"data.root: {self.root}: folders that are not <attribute>_<object>{' of a list' if lists else ''}"
            raise DataError(f"{summarize_names(what, odd)} Rename them, or move them out of the tree.")
        if lists is None:
            generator = numpy_generator(seed, "unseen pairs")
            pairs = list(dict.fromkeys(named.values()))  # "wet dog" and "wet_dog" are one pair
            lists, more = draw_pair_lists(pairs, self.unseen_validation, self.unseen_test, generator)
            notices += [*more, *_report_cuts(named)]
        notices += check_pair_lists(lists, where, strict=True)
        of_image, digests = [named[image.place.label] for image in images], [image.digest for image in images]
        shares = self.validation_fraction, self.test_fraction
        splits = draw_image_splits(of_image, digests, lists, shares, numpy_generator(seed, "composition images"))
        labelled, found, source = label_pairs(lists, self.world, where), {}, open_source(self.root)
        for split in SPLITS:
            places = [place for place, name in enumerate(splits) if name == split]
            labels = np.array([labelled.labels[of_image[place]] for place in places], dtype=np.int64)
            names = [images[place].name for place in places]
            found[split] = make_examples(source, names, labels, [digests[place] for place in places])
        how = "images drawn" if folder is not None else "pairs and images drawn"
        counts = count_pairs(lists, found).text()
        headline = f"{self.root}, {self.world} world with {len(labelled.classes):,} pairs, {how}: {counts}."
        return compose(labelled, found, (expand(self.root).stem,), self.template, where, [headline, *notices])

    def _survey(self, folder: PairFolder | None, seed: int) -> tuple[list[Usable], list[str]]:
        """Reads and checks the image files below images/, or below the root where there is no such folder."""
        source = open_source(self.root)
        listing = source.listing()
        home = () if folder is None else folder.home
        tops = {parts[len(home)] for parts in listing.folders if parts[: len(home)] == home and len(parts) > len(home)}
        inside = (*home, IMAGES) if IMAGES in tops else home
        tree = arrange(_below(listing, inside), "classes")
        images, notices = survey(source, tree, 0, numpy_generator(seed, "no limit"))
        if not images:
            raise DataError(f"data.root: '{self.root}': no usable image is left. {' '.join(notices)}")
        return images, notices


def _below(listing: Listing, folder: tuple[str, ...]) -> Listing:
    """The part of a listing that lies below a folder."""
    depth = len(folder)
    files = tuple(
        replace(file, parts=file.parts[depth:])
        for file in listing.files
        if file.parts[:depth] == folder and len(file.parts) > depth + 1 and file.parts[depth] != LISTS_FOLDER
    )
    folders = tuple(
        parts[depth:]
        for parts in listing.folders
        if parts[:depth] == folder and parts[depth:] not in ((), (LISTS_FOLDER,))
    )
    return Listing(files, folders, listing.refused)


def _name_pairs(folders: Sequence[str], lists: PairLists | None) -> tuple[dict[str, PairName], list[str]]:
    """The pair of each folder, and the folders without one."""
    known: dict[str, list[PairName]] = {}
    for pair in [] if lists is None else all_pairs(lists):
        known.setdefault(_joined(pair), []).append(pair)
    named, odd = {}, []
    for folder in folders:
        cut = _cut(folder)
        # Names may be joined to the same text: "dark_blue" + "shirt", "dark" + "blue_shirt". Then a blank decides.
        alike = known.get(_joined((folder,)), [])
        exact = [pair for pair in alike if pair == cut and " " in folder.strip()]
        fitting = [cut] if lists is None and cut is not None else exact or alike
        if len(fitting) == 1:
            named[folder] = fitting[0]
        else:
            either = " or ".join(f"'{pair[0]}' + '{pair[1]}'" for pair in fitting)
            odd.append(f"{folder} ({either})" if either else folder)
    return named, odd


def _joined(words: Sequence[str]) -> str:
    return "_".join(words).replace(" ", "_").replace("+", "_")


def _cut(folder: str) -> PairName | None:
    """Attribute and object of a folder's name, at its first blank or else at its first underscore."""
    attribute, _, name = folder.strip().partition(" " if " " in folder.strip() else "_")
    return (attribute, name.strip(" _")) if attribute and name.strip(" _") else None


def _report_cuts(named: dict[str, PairName]) -> list[str]:
    """Reports folders whose name can be cut in more than one place."""
    found = [
        f"{folder} = '{pair[0]}' + '{pair[1]}'"
        for folder, pair in named.items()
        if " " not in folder.strip() and folder.count("_") > 1
    ]
    what = "Folders with several underscores are cut at the first one, write a blank there to cut elsewhere"
    return [summarize_names(what, found)] if found else []
