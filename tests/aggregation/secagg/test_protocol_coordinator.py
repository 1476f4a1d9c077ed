"""What the coordinator takes, throws away and refuses."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.protocol_coordinator import SecureCoordinator
from fedsilo.aggregation.secagg.protocol_messages import Advertise, Masked, Sealed, SecretShare
from fedsilo.core.errors import ProtocolViolation, RoundAborted

Make = Callable[..., Any]
STAGES = ("advertise", "share", "mask", "unmask")


def refuses(coordinator: SecureCoordinator, reason: str, call: Callable[..., Any], *arguments: Any) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        call(*arguments)
    assert caught.value.reason == reason


@pytest.mark.parametrize("stage", STAGES)
def test_an_aborted_round_cannot_be_used_and_keeps_nothing(play: Make, stage: str) -> None:
    round = play(5, drops=dict.fromkeys((0, 1), stage)).until(stage)
    round.collect(stage)
    with pytest.raises(RoundAborted):
        round.close()
    coordinator = round.coordinator
    for call in (coordinator.close, coordinator.result):
        refuses(coordinator, "order", call)
    refuses(coordinator, "order", coordinator.receive, round.seen[0])
    assert coordinator.stage == "aborted"
    kept = {name: value for name, value in vars(coordinator).items() if name.startswith("_")}
    assert [kept[name] for name in ("_advertised", "_sealed", "_masked", "_unmasked")] == [{}, {}, {}, {}]
    assert kept["_total"].size == 0
    assert kept["_session"] is None
    assert kept["_result"] is None


def test_an_aborted_sum_is_overwritten(play: Make) -> None:
    round = play(5, drops={0: "mask", 1: "mask"}).until("mask")
    round.collect("mask")
    total = round.coordinator._total
    assert total.any()
    with pytest.raises(RoundAborted):
        round.close()
    assert not total.any()


def test_wiping_gives_the_round_up(play: Make) -> None:
    round = play(3).until("unmask")
    round.coordinator.wipe()
    refuses(round.coordinator, "order", round.coordinator.close)


@pytest.mark.parametrize("stage", STAGES)
def test_the_result_is_there_only_at_the_end(play: Make, stage: str) -> None:
    coordinator = play(3).until(stage).coordinator
    refuses(coordinator, "order", coordinator.result)
    assert coordinator.stage == stage


def test_all_stages_close_once(play: Make) -> None:
    round = play(3)
    round.run()
    refuses(round.coordinator, "order", round.coordinator.close)


@pytest.mark.parametrize("stage", STAGES)
def test_duplicates_are_refused_and_not_counted(play: Make, exact: Make, stage: str) -> None:
    round = play(4).until(stage)
    round.collect(stage)
    refuses(round.coordinator, "duplicate", round.coordinator.receive, round.seen[-1])
    round.close()
    refuses(round.coordinator, "duplicate", round.coordinator.receive, round.seen[-1])  # also when it comes late
    for later in STAGES[STAGES.index(stage) + 1 :]:
        round.collect(later)
        round.close()
    np.testing.assert_array_equal(round.coordinator.result().total, exact(round.vectors, (0, 1, 2, 3), 3))


@pytest.mark.parametrize("stage", STAGES)
def test_late_messages_are_thrown_away(play: Make, exact: Make, stage: str) -> None:
    """Also those that come when the result has been opened."""
    round = play(5, drops={1: stage}).until(stage)
    late = round.answer(1, stage)
    round.collect(stage)
    round.close()
    for later in STAGES[STAGES.index(stage) + 1 :]:
        assert round.send(late) is False
        round.collect(later)
        round.close()
    result = round.coordinator.result()
    assert round.send(late) is False
    np.testing.assert_array_equal(result.total, exact(round.vectors, result.survivors, 3))
    assert (1 in result.survivors) == (stage == "unmask")


def test_messages_before_their_stage_are_refused(play: Make) -> None:
    ahead = play(3).until("unmask")
    ahead.collect("unmask")
    for message in ahead.seen[3:]:
        other = play(3, seed=1)
        refuses(other.coordinator, "order", other.coordinator.receive, message)


def test_messages_of_another_round_are_refused(play: Make) -> None:
    round = play(3)
    message = dataclasses.replace(round.answer(0, "advertise"), context=b"x" * 32)
    refuses(round.coordinator, "stale context", round.coordinator.receive, message)
    assert round.coordinator.receive(round.answer(1, "advertise"))  # the round goes on


def test_strangers_and_those_who_dropped_before_are_refused(play: Make) -> None:
    round = play(5, drops={2: "advertise"}).until("share")
    stranger = Advertise(round.clients[0]._context, 9, *(bytes([i]) * 32 for i in range(3)))
    refuses(round.coordinator, "unknown client", round.coordinator.receive, stranger)
    shares = dataclasses.replace(round.answer(0, "share"), sender=2)
    refuses(round.coordinator, "unknown client", round.coordinator.receive, shares)


def test_shares_that_are_not_one_for_each_are_refused(play: Make) -> None:
    round = play(4).until("share")
    shares = round.answer(0, "share")
    cut = dataclasses.replace(shares, sealed=shares.sealed[1:])
    refuses(round.coordinator, "wrong shares", round.coordinator.receive, cut)
    assert round.coordinator.receive(shares)


def test_vectors_of_another_length_are_refused_before_they_are_added(play: Make, exact: Make) -> None:
    round = play(4).until("mask")
    for dim in (0, 1, 2, 4):
        wrong = Masked(round.clients[0]._context, 0, np.ones(dim, dtype=np.uint32))
        refuses(round.coordinator, "wrong vector", round.coordinator.receive, wrong)
    round.collect("mask")
    round.close()
    round.collect("unmask")
    round.close()
    np.testing.assert_array_equal(round.coordinator.result().total, exact(round.vectors, (0, 1, 2, 3), 3))


def test_shares_of_others_than_asked_for_are_refused(play: Make) -> None:
    round = play(5, 3, 4, drops={4: "mask"}).until("unmask")
    answer = round.answer(0, "unmask")
    for changed in (
        dataclasses.replace(answer, keys=answer.seeds[-1:]),
        dataclasses.replace(answer, seeds=(*answer.seeds, SecretShare(9, b"x" * 33))),
        dataclasses.replace(answer, seeds=(*answer.seeds, *answer.keys)),
    ):
        refuses(round.coordinator, "wrong shares", round.coordinator.receive, changed)
    assert round.coordinator.receive(answer)


def test_a_client_that_seals_garbage_for_some_stops_no_other(play: Make, exact: Make) -> None:
    round = play(6, 3, 4, drops={5: "mask"}).until("share")
    for number in range(6):
        shares = round.answer(number, "share")
        if number == 5:
            garbled = tuple(Sealed(s.peer, bytes(82)) if s.peer < 1 else s for s in shares.sealed)
            shares = dataclasses.replace(shares, sealed=garbled)
        round.send(shares)
    round.close()
    for stage in STAGES[2:]:
        round.collect(stage)
        round.close()
    result = round.coordinator.result()
    np.testing.assert_array_equal(result.total, exact(round.vectors, (0, 1, 2, 3, 4), 3))
    assert [share.owner for share in round.seen[-5].keys] == [], "client 0 has no share of client 5's secrets"


HIGH_BIT, PRIME = 2**255, 2**255 - 19


@pytest.mark.parametrize("disguise", [lambda u: u, lambda u: u | HIGH_BIT])
def test_clients_that_advertise_the_same_point_are_left_out(play: Make, disguise: Callable[[int], int]) -> None:
    round = play(6, 3, 4)
    sent = [round.answer(number, "advertise") for number in range(6)]
    stolen = disguise(int.from_bytes(sent[4].masking_key, "little")).to_bytes(32, "little")
    sent[1] = dataclasses.replace(sent[1], encryption_key=stolen)
    for message in sent:
        round.send(message)
    round.close()
    assert sorted(round.inbox) == [0, 2, 3, 5]
    assert [line for line in round.coordinator.notices if "clients [1, 4] advertised the same key" in line]


def test_a_key_of_low_order_is_refused_in_any_encoding(play: Make) -> None:
    for order, point in enumerate((0, 1, PRIME - 1, PRIME, PRIME + 1, HIGH_BIT, HIGH_BIT + 1)):
        round = play(4, seed=order)
        message = dataclasses.replace(round.answer(0, "advertise"), masking_key=point.to_bytes(32, "little"))
        refuses(round.coordinator, "weak key", round.coordinator.receive, message)


def test_a_neighbourhood_that_lost_too_many_gives_the_round_up(play: Make) -> None:
    """There are enough clients in all, but not among the neighbours of one of them."""
    parameters = Parameters(tuple(range(12)), 6, 3, 0, "neighbours", 4, 3)
    round = play(parameters=parameters).until("mask")
    lost = sorted(round.coordinator._session.graph[0])[:3]
    round.drops = dict.fromkeys(lost, "mask")
    round.collect("mask")
    with pytest.raises(RoundAborted, match="holders of client") as caught:
        round.close()
    assert (caught.value.stage, caught.value.have, caught.value.need) == ("mask", 2, 3)


def test_survivors_that_fall_into_parts_give_the_round_up(play: Make) -> None:
    parameters = Parameters(tuple(range(9)), 5, 3, 0, "neighbours", 2, 2)
    round = play(parameters=parameters).until("mask")
    graph = round.coordinator._session.graph
    ring = [0]
    while len(ring) < 9:
        ring.append(min(graph[ring[-1]] - set(ring)))
    round.drops = dict.fromkeys((ring[2], ring[6]), "mask")
    round.collect("mask")
    with pytest.raises(RoundAborted, match="fall into parts"):
        round.close()


def test_memory_is_one_vector(play: Make) -> None:
    """Nothing of a client's vector is kept, whatever keeps the message."""
    round = play(6, 1000).until("mask")
    for number in range(6):
        message = round.answer(number, "mask")
        round.coordinator.receive(message)
        held = [value for value in vars(round.coordinator).values() if isinstance(value, np.ndarray)]
        assert [value.size for value in held] == [1000]
        assert not np.shares_memory(held[0], message.vector)
        assert all(not isinstance(value, np.ndarray) for value in round.coordinator._masked.values())


def test_unsafe_parameters_are_refused() -> None:
    with pytest.raises(ProtocolViolation, match="at least 3"):
        SecureCoordinator(Parameters((0, 1), 2, 1), b"run")


def test_the_opening_tells_clients_all_they_need(play: Make) -> None:
    opening = play(3).coordinator.opening()
    assert type(opening).from_bytes(opening.to_bytes()) == opening
    assert opening.context == b"run|0"
