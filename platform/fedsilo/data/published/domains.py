"""Sets of several image domains with the same classes: a folder, or a zip of one, of <domain>/<class>/*.

Domains and classes come in the published order, whatever the copy calls its folders. Test images are those of the
published split files or split folders, else drawn in each class of each domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from fedsilo.core import Dataset, LabelledImages
from fedsilo.core.config_fields import key
from fedsilo.core.errors import DataError
from fedsilo.core.seeds import numpy_generator
from fedsilo.data import train_test_split as holdout
from fedsilo.data.files.file_sources import Listing, Member, Source
from fedsilo.data.published.card import Card, root_problems, template_problems
from fedsilo.data.published.domain_lists import ListFiles, by_lists, lines
from fedsilo.data.published.domain_sorting import Holding, Sorting, by_folders, gaps, parted
from fedsilo.data.published.domain_tree import Placed, locate, place
from fedsilo.data.published.naming import Named, plain, positions


@dataclass(frozen=True, slots=True)
class DomainLayout:
    """How a set lies on disk.

    Attributes:
        folders: Names that the set's folder, or the zip of it, has below the root.
        domains: Its domains, in the published order.
        classes: Its classes, in the published order; none where they are those of the split files or folders.
        lists: Its published split files; None where it has none.
        in_name: Whether a file may say its class in its name.
    """

    folders: tuple[str, ...]
    domains: tuple[Named, ...]
    classes: tuple[Named, ...] = ()
    lists: ListFiles | None = None
    in_name: bool = False


@dataclass(frozen=True, slots=True)
class DomainSet(Dataset):
    """A multi-domain set in its own folders."""

    card: ClassVar[Card]
    layout: ClassVar[DomainLayout]

    root: str = key(
        "data", "Folder that holds the set's, or that folder itself, or a .zip of it; ~ is the home folder."
    )
    domains: tuple[str, ...] = key((), "Which domains, in the set's order; empty: all.")
    split: str = key(
        "auto",
        "Test images: the published split's (split files, or train and test folders), drawn ones, or auto: published "
        "where it is there.",
        "auto",
        "published",
        "drawn",
    )
    test_fraction: float = key(0.25, "Part of each class and domain held out where the test is drawn, in (0, 1).")
    template: str = key("", "Prompt of the zero-shot row, with {} for the class; empty: the set's own.")

    def problems(self) -> list[str]:
        """Returns what is impossible in the fields; whether the files are there is seen when they are loaded."""
        known = positions(self.layout.domains)
        unknown = [name for name in self.domains if plain(name) not in known]
        problems = [*root_problems(self.root), *template_problems(self.template)]
        if unknown:
            names = ", ".join(self.card.domains)
            problems.append(f"domains: no domain {', '.join(map(repr, unknown))}. Available: {names}.")
        if len({known.get(plain(name), name) for name in self.domains}) < len(self.domains):
            problems.append(f"domains: a name occurs twice in {', '.join(self.domains)}. Name each domain once.")
        return [*problems, *holdout.fraction_problems("test_fraction", self.test_fraction)]

    def load(self, seed: int) -> LabelledImages:
        """Returns the set. Raises DataError: what is missing, where it should lie, how to get it."""
        known = positions(self.layout.domains)
        source = locate(self.root, self.layout.folders, known, self.card.get)
        listing = source.listing()
        placed = [found for file in listing.files if (found := place(file, known, self.layout.in_name))]
        wanted = self._wanted_domains(placed)
        entries = [entry for entry in placed if entry.domain in wanted]
        sorting = self._sorted(source, self._list_files(listing), entries, wanted)
        names = tuple(self.layout.domains[place].name for place in wanted)
        train, test, notices = parted(source, sorting, wanted, self._holding(seed))
        classes = tuple(entry.name for entry in sorting.classes)
        return LabelledImages(
            classes=classes,
            domains=names,
            template=self.template or self.card.template,
            train=train,
            test=test,
            notices=(self._headline(sorting, len(train), len(test)), *notices, *gaps(train, test, classes, names)),
        )

    def wanted_classes(self) -> tuple[Named, ...]:
        """Returns the classes in label order; none to take those that the split files or the folders have."""
        return self.layout.classes

    def _sorted(
        self, source: Source, files: Mapping[tuple[int, str], Member], entries: list[Placed], wanted: Sequence[int]
    ) -> Sorting:
        """The files by split: by split files where all are there, else by folders."""
        absent = [] if self.layout.lists else ["split files"]
        if self.layout.lists:
            for place in wanted:
                names = self.layout.lists.names(self.layout.domains[place].name)
                absent += [name for split, name in names.items() if (place, split) not in files]
        if not absent and self.layout.lists:
            read = {at: lines(source, file, self.layout.lists, self.card.get) for at, file in sorted(files.items())}
            return by_lists(read, entries, wanted, self.wanted_classes(), self.card.get)
        if files:
            raise DataError(
                f"data.root: '{self.root}': {', '.join(absent)} missing beside the other split files. {self.card.get} "
                "Or have the test drawn: data.split=drawn."
            )
        sorting = by_folders(entries, self.wanted_classes(), self.split != "drawn")
        if self.split == "published" and not sorting.test:
            raise DataError(
                f"data.root: '{self.root}': no published split: {', '.join(absent)} missing and no folders train and "
                f"test. {self.card.get} Or have the test drawn: data.split=drawn."
            )
        return sorting

    def _holding(self, seed: int) -> Holding:
        return Holding(self.test_fraction, numpy_generator(seed, "holdout"), self.card.get)

    def _headline(self, sorting: Sorting, train: int, test: int) -> str:
        drawn = "" if sorting.test else f", drawn by the seed: {self.test_fraction:g} of each class and domain"
        count = len(self.domains) or len(self.layout.domains)
        return (
            f"{self.card.name} by {sorting.origin}: {count} domains x {len(sorting.classes)} classes, {train:,} "
            f"training and {test:,} test images{drawn}."
        )

    def _wanted_domains(self, placed: Sequence[Placed]) -> list[int]:
        """Places of the wanted domains, ascending. Raises DataError, naming all that have no image."""
        known = positions(self.layout.domains)
        wanted = sorted(known[plain(name)] for name in self.domains) or list(range(len(self.layout.domains)))
        there = {entry.domain for entry in placed}
        absent = [self.layout.domains[place].name for place in wanted if place not in there]
        if absent:
            have = [self.layout.domains[place].name for place in sorted(there)]
            rest = (
                f" Or name those that are there: data.domains=[{','.join(have)}]." if have and not self.domains else ""
            )
            raise DataError(
                f"data.root: '{self.root}': no image of {', '.join(absent)} at <domain>/<class>/*. "
                f"{self.card.get}{rest}"
            )
        return wanted

    def _list_files(self, listing: Listing) -> dict[tuple[int, str], Member]:
        """The split files by domain and split, wherever they lie in the set."""
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
