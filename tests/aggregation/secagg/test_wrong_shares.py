"""Opening of a secret from shares of which some are wrong."""

from itertools import combinations

import pytest

from fedsilo.aggregation.secagg import shamir
from fedsilo.aggregation.secagg.wrong_shares import TRIES, Opener

SECRET, OTHER = bytes(range(32)), bytes(reversed(range(32)))
POINTS = tuple(range(1, 8))
WRONG = (5).to_bytes(33, "big")


def shares(*wrong: int, secret: bytes = SECRET) -> dict[int, bytes]:
    """Seven shares of a secret that four open, some of them replaced."""
    return {**shamir.split(secret, 4, POINTS), **dict.fromkeys(wrong, WRONG)}


def test_right_shares_open_at_once() -> None:
    opener, asked = Opener(4), []
    assert opener.secret(0, shares(), lambda secret: bool(asked.append(secret)) or secret == SECRET) == SECRET
    assert asked == [SECRET]
    assert opener.wrong == {}


@pytest.mark.parametrize("wrong", [pair for size in (1, 2, 3) for pair in combinations(POINTS, size)][::5])
def test_any_three_wrong_shares_of_seven_are_found_or_were_never_needed(wrong: tuple[int, ...]) -> None:
    opener = Opener(4)
    assert opener.secret(9, shares(*wrong), lambda secret: secret == SECRET) == SECRET
    used_first = set(wrong) & set(POINTS[:4])
    assert opener.wrong == ({9: list(wrong)} if used_first else {})


def test_too_few_right_shares_open_nothing() -> None:
    assert Opener(4).secret(0, shares(1, 3, 5, 7), lambda secret: secret == SECRET) is None
    assert Opener(4).secret(0, {}, lambda secret: True) is None


def test_a_client_that_gave_a_wrong_share_is_asked_last_for_the_next_secret() -> None:
    opener, asked = Opener(4), []
    opener.secret(0, shares(2), lambda secret: secret == SECRET)
    assert opener.wrong == {0: [2]}
    found = opener.secret(1, shares(2, secret=OTHER), lambda secret: bool(asked.append(secret)) or secret == OTHER)
    assert (found, asked) == (OTHER, [OTHER])


def test_of_very_many_choices_only_so_many_are_tried() -> None:
    many = {**shamir.split(SECRET, 10, range(1, 31)), **dict.fromkeys(range(1, 25), WRONG)}
    asked: list[bytes] = []
    assert Opener(10).secret(0, many, lambda secret: bool(asked.append(secret))) is None
    assert 0 < len(asked) <= TRIES
