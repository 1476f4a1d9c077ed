"""Drawn splits: every word keeps two seen pairs, every image is in a list of its pair, copies stay together."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest

from fedsilo.core.seeds import numpy_generator
from fedsilo.data.compositions.pair_lists import PairLists
from fedsilo.data.compositions.pair_split import draw_image_splits, draw_pair_lists

PAIRS = list(product("abcdef", "uvwxyz"))


@pytest.mark.parametrize("seed", range(5))
def test_the_wanted_shares_are_held_out_and_words_keep_two_seen_pairs(seed: int) -> None:
    lists, notices = draw_pair_lists(PAIRS, 0.2, 0.25, numpy_generator(seed, "x"))
    assert not notices
    assert [len(lists.unseen(split)) for split in ("val", "test")] == [7, 9]
    assert len(lists.train) == 20
    assert not set(lists.unseen("val")) & set(lists.unseen("test"))
    for part in (0, 1):
        counts = Counter(pair[part] for pair in lists.train)
        assert len(counts) == 6
        assert min(counts.values()) >= 2
    assert set(lists.train) <= set(lists.validation) & set(lists.test)


def test_where_words_have_few_pairs_fewer_are_held_out() -> None:
    sparse = [*product("ab", "uvw"), ("c", "u")]
    lists, notices = draw_pair_lists(sparse, 0.3, 0.3, numpy_generator(1, "x"))
    held = len(lists.unseen("val")) + len(lists.unseen("test"))
    assert held < 4
    assert f"{held} of 7 pairs are unseen ones, not 4" in notices[0]
    assert ("c", "u") in lists.train
    counts = Counter(pair[0] for pair in lists.train)
    assert min(counts["a"], counts["b"]) >= 2


@pytest.mark.parametrize(("validation", "test"), [(0.3, 0.1), (0.5, 0.3), (0.0, 0.3), (0.2, 0.05)])
def test_test_has_the_first_unseen_pair_and_a_list_without_one_is_empty(validation: float, test: float) -> None:
    for seed in range(4):
        lists, _ = draw_pair_lists([*product("ab", "uvw"), ("c", "u")], validation, test, numpy_generator(seed, "x"))
        held = len(lists.unseen("val")) + len(lists.unseen("test"))
        assert held
        assert lists.unseen("test")
        assert bool(lists.validation) == bool(lists.unseen("val"))


def test_another_seed_draws_other_pairs_and_the_same_seed_the_same() -> None:
    drawn = [draw_pair_lists(order, 0.2, 0.2, numpy_generator(seed, "x"))[0] for order, seed in
             ((PAIRS, 0), (PAIRS[::-1], 0), (PAIRS, 1))]  # fmt: skip
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


LISTS = PairLists((("a", "u"), ("b", "u")), (("a", "u"), ("a", "v")), (("a", "u"), ("b", "u"), ("b", "v")))


def test_images_go_to_the_lists_of_their_pair() -> None:
    pairs = [pair for pair in (("a", "u"), ("b", "u"), ("a", "v"), ("b", "v")) for _ in range(20)]
    splits = draw_image_splits(pairs, list(map(str, range(80))), LISTS, (0.25, 0.25), numpy_generator(0, "x"))
    counts = Counter(zip(pairs, splits, strict=True))
    assert counts == {
        (("a", "u"), "train"): 10,
        (("a", "u"), "val"): 5,
        (("a", "u"), "test"): 5,
        (("b", "u"), "train"): 15,  # not in the list of validation
        (("b", "u"), "test"): 5,
        (("a", "v"), "val"): 20,
        (("b", "v"), "test"): 20,
    }


def test_copies_of_an_image_stay_in_one_split() -> None:
    digests = [str(number // 4) for number in range(80)]
    splits = draw_image_splits([("a", "u")] * 80, digests, LISTS, (0.2, 0.2), numpy_generator(0, "x"))
    assert len(set(zip(digests, splits, strict=True))) == 20
    assert set(splits) == {"train", "val", "test"}


def test_no_share_for_validation_holds_none_out() -> None:
    splits = draw_image_splits([("a", "u")] * 10, list("0123456789"), LISTS, (0.0, 0.2), numpy_generator(0, "x"))
    assert Counter(splits) == {"train": 8, "test": 2}
