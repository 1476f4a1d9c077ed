"""Labels of pairs, in the closed and in the open world."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from fedsilo.core.data import Pairs
from fedsilo.core.printing import keep_visible
from fedsilo.data.compositions.pair_lists import TEST, VALIDATION, PairLists, PairName, all_pairs, check_words, to_word

WORLDS = ("closed", "open")
"""Candidates: the pairs of the lists, or every attribute with every object."""


@dataclass(frozen=True, slots=True)
class LabelledPairs:
    """Pairs with their labels.

    Attributes:
        pairs: Attribute and object of each label.
        classes: (K,) each pair as a prompt contains it, for example "faux leather boots ankle".
        labels: The label of each pair, in [0, K).
    """

    pairs: Pairs
    classes: tuple[str, ...]
    labels: dict[PairName, int]


def label_pairs(lists: PairLists, world: str, where: str) -> LabelledPairs:
    """Numbers pairs: seen ones first, in the order of their list, then all others sorted by attribute and object.

    Args:
        lists: The pairs of each split.
        world: "closed": the pairs of the lists; candidates of test images are the pairs of training and test, those of
            validation images the pairs of training and validation. "open": all attributes with all objects are
            candidates.
        where: The folder of the lists, for messages.

    Returns:
        The pairs with their labels; attributes and objects are numbered by their sorted names.

    Raises:
        DataError: Two attributes or two objects read the same in a prompt.
    """
    named = all_pairs(lists)
    check_words(named, where)
    attributes, objects = (sorted({pair[part] for pair in named}) for part in (0, 1))
    seen = set(lists.train)
    if world == "open":
        named = [*lists.train, *(pair for pair in product(attributes, objects) if pair not in seen)]
    numbers = tuple({name: number for number, name in enumerate(names)} for names in (attributes, objects))

    def candidates(split: str) -> np.ndarray:
        allowed = seen.union(lists.of(split))
        return np.array([world == "open" or pair in allowed for pair in named], dtype=bool)

    words = tuple(tuple(keep_visible(to_word(name)) or name for name in names) for names in (attributes, objects))
    attribute, thing = (np.array([numbers[part][pair[part]] for pair in named], dtype=np.int64) for part in (0, 1))
    return LabelledPairs(
        pairs=Pairs(
            attributes=words[0],
            objects=words[1],
            attribute=attribute,
            object=thing,
            seen=np.arange(len(named)) < len(lists.train),
            test=candidates(TEST),
            validation=candidates(VALIDATION),
        ),
        classes=tuple(f"{words[0][a]} {words[1][o]}" for a, o in zip(attribute, thing, strict=True)),
        labels={pair: label for label, pair in enumerate(named)},
    )
