"""Images of an audit: the pool, its rows, and the membership of shadow runs."""

import pickle

import numpy as np
import pytest
from PIL import Image

from fedsilo.core import Examples, LabelledImages, Share
from fedsilo.partitioning.manifest import Manifest, freeze
from fedsilo.runs.audit.audited_images import build_pool, build_population, redraw


def fetched(number: int) -> Image.Image:
    return Image.new("RGB", (1, 1), (number, 0, 0))


def examples(labels: list[int], first: int, digests: list[str] | None = None) -> Examples:
    found = np.array(labels)
    names = tuple(digests or (f"{first + n}" for n in range(len(labels))))
    return Examples(found, found % 2, fetched, names)


def world(train: list[int], test: list[int], shares: list[Share]) -> tuple[LabelledImages, Manifest]:
    images = LabelledImages(("a", "b", "c"), ("x", "y"), "{}", examples(train, 0), examples(test, 1000))
    return images, freeze(images, shares, {"name": "toy"}, 0)


@pytest.fixture
def two() -> tuple[LabelledImages, Manifest]:
    """Client 0: six and two of class 0, one and none of class 1. Client 1: one and three of class 2. Client 2: none."""
    train = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2]
    test = [2, 0, 0, 2, 2, 1]
    shares = [
        Share(np.array([0, 1, 2, 3, 4, 5, 7]), np.array([1, 2]), "x"),
        Share(np.array([9]), np.array([0, 3, 4])),
    ]
    return world(train, test, shares)


def test_the_pool_is_what_is_held_and_nothing_else(two: tuple[LabelledImages, Manifest]) -> None:
    images, manifest = two
    pool = build_pool(images, manifest)
    assert pool.train is pool.test
    assert pool.train.digests == tuple(map(str, [0, 1, 2, 3, 4, 5, 7, 9, 1000, 1001, 1002, 1003, 1004]))
    assert pool.train.labels.tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 2, 0, 0, 2, 2]
    copy = pickle.loads(pickle.dumps(pool.train))
    assert [copy.fetch(n).getpixel((0, 0))[0] for n in range(13)] == [0, 1, 2, 3, 4, 5, 7, 9, 0, 1, 2, 3, 4]


def test_rows_say_who_holds_what_of_which_side(two: tuple[LabelledImages, Manifest]) -> None:
    images, manifest = two
    rows = build_population(manifest, build_pool(images, manifest))
    assert rows.positions.tolist() == [0, 1, 2, 3, 4, 5, 6, 9, 10, 7, 8, 11, 12]
    assert rows.clients.tolist() == [0] * 9 + [1] * 4
    assert rows.members.tolist() == [True] * 7 + [False] * 2 + [True] + [False] * 3
    assert rows.labels.tolist() == [0] * 6 + [1] + [0, 0] + [2] * 4
    assert rows.comparable.tolist() == [True] * 6 + [False] + [True] * 6
    assert rows.domains == ("x", "")


def test_a_draw_keeps_what_each_client_has_and_moves_canaries_only(two: tuple[LabelledImages, Manifest]) -> None:
    images, manifest = two
    rows = build_population(manifest, build_pool(images, manifest))
    inside = np.zeros(len(rows))
    for number in range(400):
        draw = redraw(rows, 3, number)
        shares = draw.build_shares(rows)
        for client, share in enumerate(shares):
            mine = np.sort(rows.positions[rows.clients == client])
            np.testing.assert_array_equal(np.sort(np.concatenate([share.train, share.test])), mine)
        assert draw.canaries.sum() == 2 * 2 + 2 * 1
        # more members than others: images without a coin are in; fewer: out; nothing to compare with: unchanged
        assert draw.members[:9][~draw.canaries[:9]].all()
        assert not draw.members[9:][~draw.canaries[9:]].any()
        inside += draw.members
    assert inside[6] == 400
    np.testing.assert_allclose(np.delete(inside[:9], 6) / 400, 6 / 8, atol=0.08)
    np.testing.assert_allclose(inside[9:] / 400, 1 / 4, atol=0.08)


def test_coins_are_fair_and_of_their_own(two: tuple[LabelledImages, Manifest]) -> None:
    images, manifest = two
    rows = build_population(manifest, build_pool(images, manifest))
    draws = [redraw(rows, 3, number) for number in range(1000)]
    heads = [draw.members[draw.canaries] for draw in draws]
    assert np.mean(heads) == pytest.approx(0.5, abs=0.02)
    counts = [int(one[:4].sum()) for one in heads]
    # four fair coins, not two in and two out
    assert np.bincount(counts, minlength=5) / 1000 == pytest.approx(np.array([1, 4, 6, 4, 1]) / 16, abs=0.04)


def test_a_draw_is_a_function_of_seed_and_number(two: tuple[LabelledImages, Manifest]) -> None:
    images, manifest = two
    rows = build_population(manifest, build_pool(images, manifest))

    def bits(seed: int, number: int) -> list[bool]:
        return [bool(flag) for n in range(20) for flag in redraw(rows, seed, 20 * number + n).members]

    assert bits(0, 0) == bits(0, 0)
    assert bits(0, 0) != bits(0, 1)
    assert bits(0, 0) != bits(1, 0)


def test_an_image_held_twice_is_neither_moved_nor_compared() -> None:
    train, test = examples([0, 0, 0], 0, ["same", "b", "c"]), examples([0, 0, 0], 9, ["d", "same", "e"])
    images = LabelledImages(("a",), ("x", "y"), "{}", train, test)
    shares = [Share(np.array([0, 1]), np.array([0])), Share(np.array([2]), np.array([1, 2]))]
    rows = build_population(freeze(images, shares, {}, 0), build_pool(images, freeze(images, shares, {}, 0)))
    assert rows.alone.tolist() == [False, True, True, True, False, True]
    assert rows.comparable.tolist() == [False, True, True, True, False, True]
    for number in range(50):
        members = redraw(rows, 0, number).members
        assert (members[0], members[4]) == (True, False)
