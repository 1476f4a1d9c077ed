"""Random splits of pairs into seen and unseen ones, and of images into training, validation and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np

from fedsilo.data import train_test_split
from fedsilo.data.compositions.pair_lists import SPLITS, TEST, TRAIN, VALIDATION, PairLists, PairName

LEAST = 2
"""Seen pairs of each attribute and each object, where it has so many pairs."""


def share_problems(validation: float, test: float, names: tuple[str, str]) -> list[str]:
    """Checks two shares that are held out.

    Args:
        validation: Share for validation; 0: none.
        test: Share for test.
        names: Names of the two fields.

    Returns:
        Problems for `Dataset.problems`; empty if there are none.
    """
    if validation >= 0 and test > 0 and validation + test < 1:
        return []
    return [
        f"{names[0]}, {names[1]}: must be at least 0 and above 0, and below 1 together, got {validation} and {test}."
    ]


def draw_pair_lists(
    pairs: Sequence[PairName], validation: float, test: float, generator: np.random.Generator
) -> tuple[PairLists, list[str]]:
    """Draws the unseen pairs of validation and of test.

    Pairs are drawn one by one. One is passed over if its attribute or its object would have fewer than two seen pairs
    left, so that each word is trained in more than one company.

    Args:
        pairs: All pairs, without repetition.
        validation: Share of the pairs that are unseen pairs of validation.
        test: Share of the pairs that are unseen pairs of test.
        generator: Random generator of the draw.

    Returns:
        The lists, sorted, in which every seen pair is a pair of validation and of test too, except that a list without
        an unseen pair is empty; and one notice if fewer pairs than asked for can be held out.
    """
    ordered = sorted(pairs)
    wanted = round(test * len(ordered)), round(validation * len(ordered))
    left = Counter((part, pair[part]) for pair in ordered for part in (0, 1))
    held: list[PairName] = []
    for place in generator.permutation(len(ordered)).tolist():
        pair = ordered[place]
        words = [(part, pair[part]) for part in (0, 1)]
        if len(held) < sum(wanted) and all(left[word] > LEAST for word in words):
            held.append(pair)
            left.subtract(words)
    # Test comes first: without an unseen pair in it nothing can be measured.
    tested = max(min(1, len(held)), round(len(held) * wanted[0] / max(1, sum(wanted))))
    unseen = {TEST: held[:tested], VALIDATION: held[tested:]}
    seen = sorted(set(ordered) - set(held))
    # Seen pairs alone give no curve, so a split without an unseen pair stays empty.
    listed = [tuple(sorted([*seen, *unseen[split]])) if unseen[split] else () for split in (VALIDATION, TEST)]
    lists = PairLists(tuple(seen), *listed)
    if len(held) == sum(wanted):
        return lists, []
    return lists, [
        f"{len(held)} of {len(ordered)} pairs are unseen ones, not {sum(wanted)}: each attribute and each object keeps "
        f"{LEAST} seen pairs."
    ]


def draw_image_splits(
    pairs: Sequence[PairName],
    digests: Sequence[str],
    lists: PairLists,
    shares: tuple[float, float],
    generator: np.random.Generator,
) -> list[str]:
    """Draws the split of each image by the lists that its pair is in.

    All images of an unseen pair belong to its list. Of a seen pair's images, the shares are held out pair by pair, for
    validation and for test if it is in that list. Copies of an image stay in one split.

    Args:
        pairs: (n,) pair of each image; each is in a list.
        digests: (n,) digest of each image.
        lists: The pairs of each split.
        shares: Share of a seen pair's images for validation and for test.
        generator: Random generator of the draw.

    Returns:
        (n,) split of each image, one of `SPLITS`.
    """
    members = {split: set(lists.of(split)) for split in SPLITS}
    splits = [TRAIN if pair in members[TRAIN] else TEST if pair in members[TEST] else VALIDATION for pair in pairs]
    numbers = {pair: number for number, pair in enumerate(dict.fromkeys(chain(pairs)))}
    cells = np.array([numbers[pair] for pair in pairs], dtype=np.int64)
    of_validation = shares[0] / (1 - shares[1])  # of what the test leaves
    for split, share in ((TEST, shares[1]), (VALIDATION, of_validation)):
        places = [
            place
            for place, pair in enumerate(pairs)
            if splits[place] == TRAIN and pair in members[TRAIN] and pair in members[split]
        ]
        if not share or not places:
            continue
        chosen = np.array(places)
        held = train_test_split.draw_held_out(cells[chosen], [digests[place] for place in places], share, generator)
        for place in chosen[held].tolist():
            splits[place] = split
    return splits
