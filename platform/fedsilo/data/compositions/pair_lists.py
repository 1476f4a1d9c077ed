"""Lists of attribute-object pairs: `compositional-split-natural/{train,val,test}_pairs.txt`.

A line is "attribute object", or "attribute+object" where names contain blanks (VAW-CZSL). The lists of validation and
test contain pairs of training (seen pairs) and others (unseen pairs).

Source of the layout: Purushwalkam et al., "Task-driven modular networks for zero-shot compositional learning", ICCV
2019, arXiv:1905.05908.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from fedsilo.core.errors import DataError
from fedsilo.data.files.tree_survey import summarize_names

PairName = tuple[str, str]
"""Attribute and object, as files name them."""

TRAIN, VALIDATION, TEST = "train", "val", "test"
SPLITS = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True, slots=True)
class PairLists:
    """The pairs of each split.

    Attributes:
        train: Pairs that are trained on, in the order of their labels.
        validation: Candidates of validation images beside those of `train`; seen ones among them.
        test: The same for test images.
    """

    train: tuple[PairName, ...]
    validation: tuple[PairName, ...]
    test: tuple[PairName, ...]

    def of(self, split: str) -> tuple[PairName, ...]:
        """Returns the list of a split.

        Args:
            split: One of `SPLITS`.

        Returns:
            Its pairs.
        """
        return {TRAIN: self.train, VALIDATION: self.validation, TEST: self.test}[split]

    def unseen(self, split: str) -> list[PairName]:
        """Lists the pairs of a split that are not trained on.

        Args:
            split: One of `SPLITS`.

        Returns:
            The pairs, in the list's order.
        """
        seen = set(self.train)
        return [pair for pair in self.of(split) if pair not in seen]


def parse_pairs(text: str, file: str) -> tuple[PairName, ...]:
    """Reads one list of pairs; empty lines are skipped.

    Args:
        text: Content of the file.
        file: Its name, for messages.

    Returns:
        The pairs, in the order of the lines.

    Raises:
        DataError: A line is not a pair, or repeats another one.
    """
    first: dict[PairName, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        words = [word.strip() for word in line.split("+")] if "+" in line else line.split()
        if len(words) != 2 or not all(words):
            raise DataError(f"{file}: line {number}: '{line.strip()[:60]}' is not 'attribute object'. Correct it.")
        pair = words[0], words[1]
        if pair in first:
            raise DataError(f"{file}: line {number} repeats line {first[pair]}: '{show_pair(pair)}'. Remove one.")
        first[pair] = number
    return tuple(first)


def check_pair_lists(lists: PairLists, where: str, strict: bool) -> list[str]:
    """Checks that lists fit each other.

    Args:
        lists: The pairs of each split.
        where: The folder of the lists, for messages.
        strict: Whether unseen pairs of validation that are unseen pairs of test too are an error: a model that is
            selected by them has seen what it is tested on.

    Returns:
        Notices.

    Raises:
        DataError: There are fewer than two training pairs or no test pair, a pair has an attribute or an object of no
            training pair, or `strict` finds such an overlap.
    """
    if len(lists.train) < 2 or not lists.test:
        raise DataError(
            f"{where}: {len(lists.train)} training pairs and {len(lists.test)} test pairs. At least 2 training pairs "
            "and 1 test pair are needed."
        )
    known = {attribute for attribute, _ in lists.train}, {name for _, name in lists.train}
    for split in (VALIDATION, TEST):
        strange = [
            f"'{show_pair(pair)}' ({what} '{word}')"
            for pair in lists.of(split)
            for what, word, words in zip(("attribute", "object"), pair, known, strict=True)
            if word not in words
        ]
        if strange:
            what = f"{where}: pairs of {split}_pairs.txt with a word of no training pair"
            raise DataError(f"{summarize_names(what, strange)} Add a training pair with the word, or remove the pair.")
    held = set(lists.unseen(VALIDATION))
    both = [f"'{show_pair(pair)}'" for pair in lists.unseen(TEST) if pair in held]
    if not both:
        return []
    line = summarize_names("Unseen pairs of validation that are unseen pairs of test too", both)
    if strict:
        raise DataError(f"{where}: {line} Remove each from val_pairs.txt or from test_pairs.txt.")
    return [line]


def check_words(pairs: Sequence[PairName], where: str) -> None:
    """Checks that no two attributes and no two objects read the same in a prompt.

    Args:
        pairs: All pairs.
        where: The folder of the lists, for messages.

    Raises:
        DataError: Two names read the same.
    """
    for part, what in enumerate(("attributes", "objects")):
        first: dict[str, str] = {}
        for name in sorted({pair[part] for pair in pairs}):
            other = first.setdefault(to_word(name), name)
            if other != name:
                raise DataError(
                    f"{where}: the {what} '{other}' and '{name}' are both '{to_word(name)}' in a prompt. Rename one."
                )


def all_pairs(lists: PairLists) -> list[PairName]:
    """Lists the pairs of all splits once: seen pairs in their order, then the others sorted.

    Args:
        lists: The pairs of each split.

    Returns:
        The pairs.
    """
    return [*lists.train, *sorted(set(chain(lists.validation, lists.test)) - set(lists.train))]


def to_word(name: str) -> str:
    """Converts the name of an attribute or object to the word in prompts.

    Args:
        name: The name in files, for example "Faux.Leather" or "casual_shoe".

    Returns:
        The word in lower case, with blanks for dots and underscores: "faux leather", "casual shoe".
    """
    return " ".join(name.replace(".", " ").replace("_", " ").lower().split())


def show_pair(pair: PairName) -> str:
    """Writes a pair for messages.

    Args:
        pair: Attribute and object.

    Returns:
        Both, with a blank between them.
    """
    return " ".join(pair)
