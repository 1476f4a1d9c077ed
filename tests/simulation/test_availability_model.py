"""Models of availability by themselves: what they say, how fast clients are, and how often they are there."""

import math
from typing import Any

import numpy as np
import pytest

from fedsilo.core import Availability, Call
from fedsilo.core.registry import find, names
from fedsilo.simulation.availability.speeds import Speeds
from fedsilo.simulation.availability.sporadic import Sporadic


def call(client: int = 0, round: int = 0, tries: int = 0, steps: int = 1, at: float = 0.0) -> Call:
    return Call(client, round, tries, at, steps)


@pytest.mark.parametrize("name", [name for name in names(Availability) if name != "file"])
def test_a_trace_says_the_same_whatever_it_was_asked_before(name: str) -> None:
    keys = {} if name == "none" else {"spread": 1.0, "drop_out": 0.4}
    availability: Any = find(Availability, name)(**keys)
    one, other = availability.make_model(6, 3), availability.make_model(6, 3)
    asked = [(client, round, now) for client in range(6) for round in range(4) for now in (0.0, 7.0, 300.0)]
    said = [(one.window(*a), one.seconds(call(*a[:2])), one.fails(call(*a[:2]))) for a in asked]
    again = [(other.window(*a), other.seconds(call(*a[:2])), other.fails(call(*a[:2]))) for a in reversed(asked)]
    assert said == again[::-1]
    if name != "none":
        assert said != [
            (c.window(*a), c.seconds(call(*a[:2])), c.fails(call(*a[:2])))
            for c in [availability.make_model(6, 4)]
            for a in asked
        ]


def test_speeds_are_lognormal_about_the_median() -> None:
    model = Speeds(step_s=3.0, spread=0.5).make_model(4000, 0)
    logs = np.log([model.seconds(call(client)) / 3 for client in range(4000)])
    assert abs(logs.mean()) < 3 * 0.5 / math.sqrt(4000)
    assert logs.std() == pytest.approx(0.5, rel=0.05)
    assert model.seconds(call(7, round=0, steps=4)) == model.seconds(call(7, round=9)) * 4


def test_clients_are_there_in_as_many_rounds_as_their_probability_says() -> None:
    model = Sporadic(online=0.3).make_model(50, 0)
    there = [model.window(client, round, 5.0) for client in range(50) for round in range(60)]
    assert set(there) == {(5.0, math.inf), (math.inf, math.inf)}
    assert np.mean([begins == 5.0 for begins, _ in there]) == pytest.approx(0.3, abs=0.03)


def test_drop_outs_are_drawn_again_for_each_time_that_a_client_is_asked() -> None:
    model = Speeds(drop_out=0.25).make_model(1, 0)
    drawn = [model.fails(call(0, round, tries)) for round in range(1000) for tries in range(2)]
    assert np.mean(drawn) == pytest.approx(0.25, abs=0.03)
    assert drawn[::2] != drawn[1::2]


def test_listed_speeds_are_one_for_each_client_and_above_0() -> None:
    assert Speeds(seconds_per_step=[1, 2]).refusals(2) == []
    assert Speeds(seconds_per_step=[1, 2]).refusals(3) == [
        "seconds_per_step: lists 2 clients, there are 3. List one number for each."
    ]
    found = Speeds(seconds_per_step=[1, -2], spread=1).problems()
    assert [line.partition(":")[0] for line in found] == ["seconds_per_step", "spread"]
