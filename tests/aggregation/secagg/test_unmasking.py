"""Opening of a sum where some shares are wrong: found, left out, named, or the round is given up."""

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedsilo.aggregation.secagg.protocol_coordinator import SecureCoordinator
from fedsilo.aggregation.secagg.protocol_messages import SecretShare
from fedsilo.core.errors import ProtocolViolation, RoundAborted

Make = Callable[..., Any]


def refuses(coordinator: SecureCoordinator, reason: str, call: Callable[..., Any], *arguments: Any) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        call(*arguments)
    assert caught.value.reason == reason


def altered(value: bytes, change: str) -> bytes:
    number = int.from_bytes(value, "big")
    other = {"little": number ^ 1, "other": random.Random(0).getrandbits(256), "huge": 2**264 - 1}[change]
    return other.to_bytes(33, "big")


def unmasking(round: Any, liars: dict[int, tuple[str, tuple[int, ...]]], change: str = "little") -> Any:
    """Sends all answers of the stage 'unmask', those of liars with altered shares of some owners, by kind."""
    for number in sorted(round.inbox):
        answer = round.answer(number, "unmask")
        kind, owners = liars.get(number, ("seeds", ()))
        changed = tuple(
            SecretShare(share.owner, altered(share.value, change) if share.owner in owners else share.value)
            for share in getattr(answer, kind)
        )
        round.send(dataclasses.replace(answer, **{kind: changed}))
    round.close()
    return round.coordinator


@pytest.mark.parametrize(("kind", "owner"), [("seeds", 0), ("keys", 4)])
@pytest.mark.parametrize("change", ["little", "other", "huge"])
def test_too_few_right_shares_of_a_secret_give_the_round_up_and_name_its_owner(
    play: Make, kind: str, owner: int, change: str
) -> None:
    round = play(5, 3, 4, drops={4: "mask"}).until("unmask")
    with pytest.raises(RoundAborted, match=f"do not open what client {owner} advertised") as caught:
        unmasking(round, {2: (kind, (owner,))}, change).result()
    enough = kind == "keys"  # without client 0 fewer than the threshold would be left, so it makes no sense to bar it
    assert (caught.value.stage, caught.value.clients) == ("unmask", (4,) if enough else ())
    refuses(round.coordinator, "order", round.coordinator.result)
    assert round.coordinator._total.size == 0


@pytest.mark.parametrize("change", ["little", "other", "huge"])
def test_wrong_shares_among_enough_right_ones_change_nothing_and_are_named(
    play: Make, exact: Make, change: str
) -> None:
    round = play(7, 5, 4, drops={6: "mask"}).until("unmask")
    coordinator = unmasking(round, {0: ("keys", (6,)), 1: ("seeds", (0, 1, 2, 3, 4, 5))}, change)
    np.testing.assert_array_equal(coordinator.result().total, exact(round.vectors, range(6), 5))
    assert any("client 0's share of a secret of client 6 is wrong" in line for line in coordinator.notices)
    assert any("client 1's share of a secret of client 0 is wrong" in line for line in coordinator.notices)


def test_wrong_shares_are_found_where_not_all_choices_can_be_tried(play: Make, exact: Make) -> None:
    """Of 30 shares 20 open a secret: 30 million choices; four clients lie about every one of them."""
    round = play(30, 2, 20).until("unmask")
    coordinator = unmasking(round, {liar: ("seeds", tuple(range(30))) for liar in (0, 3, 11, 19)})
    np.testing.assert_array_equal(coordinator.result().total, exact(round.vectors, range(30), 2))


def test_a_client_that_deals_wrong_shares_costs_the_round_and_no_other_client(play: Make) -> None:
    """All others find that its seed does not open: it is the one to be left out of the next attempt."""
    round = play(6, 3, 5).until("unmask")
    coordinator = unmasking(round, dict.fromkeys(range(6), ("seeds", (3,))), "other")
    with pytest.raises(RoundAborted) as caught:
        coordinator.result()
    assert caught.value.clients == (3,)
