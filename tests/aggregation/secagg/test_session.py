import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.protocol_messages import Advertise, Roster
from fedsilo.aggregation.secagg.session import Session

PARAMETERS = Parameters(tuple(range(5)), 4, 3)
ROSTER = Roster(
    b"c" * 32, tuple(Advertise(b"c" * 32, i, *(bytes([i, kind]) * 16 for kind in range(3))) for i in range(5))
)
Make = Callable[..., Any]


@pytest.mark.parametrize("name", ["context", "encryption_key", "masking_key", "commitment", "signature"])
def test_the_transcript_covers_everything_on_the_roster(name: str) -> None:
    changed = dataclasses.replace(ROSTER.advertised[3], **{name: b"x" * (64 if name == "signature" else 32)})
    other = Roster(ROSTER.context, (*ROSTER.advertised[:3], changed, ROSTER.advertised[4]))
    assert Session.begin(PARAMETERS, other).transcript != Session.begin(PARAMETERS, ROSTER).transcript


def test_the_transcript_covers_the_round_and_who_is_there() -> None:
    others = (Roster(b"d" * 32, ROSTER.advertised), Roster(ROSTER.context, ROSTER.advertised[:4]))
    assert len({Session.begin(PARAMETERS, roster).transcript for roster in (ROSTER, *others)}) == 3


def test_derived_keys_depend_on_the_transcript_and_the_direction() -> None:
    session = Session.begin(PARAMETERS, ROSTER)
    other = dataclasses.replace(session, transcript=b"t" * 32)
    seed = b"s" * 32
    found = {
        key
        for each in (session, other)
        for key in (
            each.own_key(1, seed),
            each.own_key(2, seed),
            each.sealing_key(seed, 1, 2),
            each.sealing_key(seed, 2, 1),
            each.pair_key(1, seed, 2),
            each.pair_key(1, seed, 3),
        )
    }
    assert len(found) == 12


def test_sparse_neighbours_are_those_on_the_roster_and_change_with_it() -> None:
    clients = tuple(range(20))
    parameters = Parameters(clients, 14, 3, 0, "neighbours", 6, 3)
    entries = tuple(Advertise(b"c" * 32, i, *(bytes([i, kind]) * 16 for kind in range(3))) for i in clients)
    session = Session.begin(parameters, Roster(b"c" * 32, entries))
    assert all(len(others) == 6 for others in session.graph.values())
    fewer = Session.begin(parameters, Roster(b"c" * 32, entries[2:]))
    assert set(fewer.graph) == set(clients[2:])
    assert all(others <= fewer.graph.keys() for others in fewer.graph.values())
    assert any(fewer.graph[i] != session.graph[i] - {0, 1} for i in fewer.graph)


def test_masking_leaves_nothing_in_the_clear(play: Make) -> None:
    round = play(3, 1000).until("mask")
    round.clients[0].prepare(round.inbox[0])
    vector = np.zeros(1000, dtype=np.uint32)
    assert round.clients[0].mask(vector).vector is vector
    assert np.count_nonzero(vector) > 990
    assert round.clients[0]._secrets.mask is None
