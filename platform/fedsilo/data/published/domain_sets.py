"""Data sets of several image domains with the same classes: a folder, or a zip, of <domain>/<class>/*.

Domains and classes are in the published order, whatever the folders are called. Test images are those of the
published split files or split folders; otherwise they are drawn in each class of each domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from fedsilo.core import Dataset, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import numpy_generator
from fedsilo.data import train_test_split
from fedsilo.data.files.file_sources import Listing, Member, Source
from fedsilo.data.published.dataset_card import Card, root_problems, template_problems
from fedsilo.data.published.domain_lists import ListFiles, read_split_file, sort_by_lists
from fedsilo.data.published.domain_sorting import RandomTestSplit, Sorting, make_splits, report_gaps, sort_by_folders
from fedsilo.data.published.domain_tree import PlacedFile, locate, place_file
from fedsilo.data.published.naming import NameWithAliases, index_names, normalize


@dataclass(frozen=True, slots=True)
class DomainLayout:
    """Layout of a set on disk.

    Attributes:
        folders: Names that the set's folder or zip may have below the root.
        domains: Domains, in the published order.
        classes: Classes, in the published order; empty to use those of the split files or folders.
        lists: Published split files; None where there are none.
        in_name: Whether a file name may contain the class.
    """

    folders: tuple[str, ...]
    domains: tuple[NameWithAliases, ...]
    classes: tuple[NameWithAliases, ...] = ()
    lists: ListFiles | None = None
    in_name: bool = False


@dataclass(frozen=True, slots=True)
class DomainSet(Dataset):
    """A multi-domain data set in its own folders."""

    card: ClassVar[Card]
    layout: ClassVar[DomainLayout]

    root: str = key(
        "data", "Folder that holds the set's folder, or the set's folder itself, or a .zip of it; ~ is the home folder."
    )
    domains: tuple[str, ...] = key((), "Wanted domains, in the set's order; empty: all.")
    split: str = key(
        "auto",
        "Test images: the published split's (split files, or train and test folders), drawn ones, or auto: published "
        "where it exists.",
        "auto",
        "published",
        "drawn",
    )
    test_fraction: float = key(
        0.25, "Fraction of each class and domain for testing where the test split is drawn, in (0, 1)."
    )
    template: str = key("", "Prompt of the zero-shot row, with {} for the class; empty: the set's own.")

    def problems(self) -> list[str]:
        """Returns the problems of the fields; missing files are reported when the data is loaded."""
        known = index_names(self.layout.domains)
        unknown = [name for name in self.domains if normalize(name) not in known]
        problems = [*root_problems(self.root), *template_problems(self.template)]
        if unknown:
            names = ", ".join(self.card.domains)
            problems.append(f"domains: no domain {', '.join(map(repr, unknown))}. Available: {names}.")
        if len({known.get(normalize(name), name) for name in self.domains}) < len(self.domains):
            problems.append(f"domains: a name occurs twice in {', '.join(self.domains)}. Name each domain once.")
        return [*problems, *train_test_split.fraction_problems("test_fraction", self.test_fraction)]

    def load(self, seed: int) -> LabelledImages:
        """Loads the wanted domains.

        Args:
            seed: Seed of the test split where it is drawn.

        Returns:
            The data set.

        Raises:
            DataError: Files are missing; the message says which, where they belong and how to get them.
        """
        known = index_names(self.layout.domains)
        source = locate(self.root, self.layout.folders, known, self.card.get)
        listing = source.listing()
        placed = [found for file in listing.files if (found := place_file(file, known, self.layout.in_name))]
        wanted = self._wanted_domains(placed)
        entries = [entry for entry in placed if entry.domain in wanted]
        sorting = self._sort_files(source, self._find_split_files(listing), entries, wanted)
        names = tuple(self.layout.domains[place].name for place in wanted)
        train, test, notices = make_splits(source, sorting, wanted, self._random_test_split(seed))
        classes = tuple(entry.name for entry in sorting.classes)
        return LabelledImages(
            classes=classes,
            domains=names,
            template=self.template or self.card.template,
            train=train,
            test=test,
            notices=(
                self._headline(sorting, len(train), len(test)),
                *notices,
                *report_gaps(train, test, classes, names),
            ),
        )

    def wanted_classes(self) -> tuple[NameWithAliases, ...]:
        """Returns the classes in label order; empty for those of the split files or folders."""
        return self.layout.classes

    def _sort_files(
        self, source: Source, files: Mapping[tuple[int, str], Member], entries: list[PlacedFile], wanted: Sequence[int]
    ) -> Sorting:
        """Splits the files by the split files if all of them are there, else by folders."""
        absent = [] if self.layout.lists else ["split files"]
        if self.layout.lists:
            for place in wanted:
                names = self.layout.lists.names(self.layout.domains[place].name)
                absent += [name for split, name in names.items() if (place, split) not in files]
        if not absent and self.layout.lists:
            read = {
                at: read_split_file(source, file, self.layout.lists, self.card.get)
                for at, file in sorted(files.items())
            }
            return sort_by_lists(read, entries, wanted, self.wanted_classes(), self.card.get)
        if files:
            raise DataError(
                f"data.root: '{self.root}': {', '.join(absent)} missing beside the other split files. {self.card.get} "
                "Or draw the test images: data.split=drawn."
            )
        sorting = sort_by_folders(entries, self.wanted_classes(), self.split != "drawn")
        if self.split == "published" and not sorting.test:
            raise DataError(
                f"data.root: '{self.root}': no published split: {', '.join(absent)} missing and no folders train and "
                f"test. {self.card.get} Or draw the test images: data.split=drawn."
            )
        return sorting

    def _random_test_split(self, seed: int) -> RandomTestSplit:
        return RandomTestSplit(self.test_fraction, numpy_generator(seed, "holdout"), self.card.get)

    def _headline(self, sorting: Sorting, train: int, test: int) -> str:
        drawn = "" if sorting.test else f", drawn by the seed: {self.test_fraction:g} of each class and domain"
        count = len(self.domains) or len(self.layout.domains)
        return (
            f"{self.card.name} by {sorting.origin}: {count} domains x {len(sorting.classes)} classes, {train:,} "
            f"training and {test:,} test images{drawn}."
        )

    def _wanted_domains(self, placed: Sequence[PlacedFile]) -> list[int]:
        """Numbers of the wanted domains, ascending. Raises DataError with all domains that have no image."""
        known = index_names(self.layout.domains)
        wanted = sorted(known[normalize(name)] for name in self.domains) or list(range(len(self.layout.domains)))
        there = {entry.domain for entry in placed}
        absent = [self.layout.domains[place].name for place in wanted if place not in there]
        if absent:
            have = [self.layout.domains[place].name for place in sorted(there)]
            rest = f" Or name the existing ones: data.domains=[{','.join(have)}]." if have and not self.domains else ""
            raise DataError(
                f"data.root: '{self.root}': no image of {', '.join(absent)} at <domain>/<class>/*. "
                f"{self.card.get}{rest}"
            )
        return wanted

    def _find_split_files(self, listing: Listing) -> dict[tuple[int, str], Member]:
        """Finds the split files by domain and split, in any folder of the set."""
        files = {file.parts[-1].casefold(): file for file in reversed(listing.files)}
        lists = self.layout.lists
        if lists is None or self.split == "drawn":
            return {}
        names = {
            (place, split): name.casefold()
            for place, domain in enumerate(self.layout.domains)
            for split, name in lists.names(domain.name).items()
        }
        return {key: files[name] for key, name in names.items() if name in files}
