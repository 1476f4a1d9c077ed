"""Buffered rounds in simulated time, worked out by hand."""

import math
from dataclasses import dataclass
from typing import Any

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import AvailabilityModel
from fedsilo.simulation.availability.none import AlwaysAvailable
from fedsilo.simulation.availability.speeds import Speeds


def listed(*seconds: float, **keys: Any) -> Speeds:
    return Speeds(seconds_per_step=list(seconds), **keys)


def test_buffered_rounds_of_three_clients_worked_out_by_hand(schedule: Any) -> None:
    """Client 2 takes five seconds and is overtaken twice; client 1 is asked in round 2 and comes in round 3."""
    plan = schedule(rounds=4, availability=listed(1, 2, 5), stragglers=StragglerPolicy(mode="buffered", buffer=2))
    assert [(t.participants, t.ends) for t in plan.cohorts] == [((0, 1), 2), ((0, 1), 4), ((0, 2), 5), ((0, 1), 6)]
    assert [dict(t.origins) for t in plan.cohorts] == [{0: 0, 1: 0}, {0: 1, 1: 1}, {0: 2, 2: 0}, {0: 3, 1: 2}]
    assert [t.staleness(r) for r, t in enumerate(plan.cohorts)] == [(0, 0), (0, 0), (0, 2), (0, 1)]
    assert [sorted(plan.outstanding(r)) for r in range(4)] == [[], [], [2], []]


def test_of_events_at_the_same_moment_answers_come_before_new_calls(schedule: Any) -> None:
    """All four answer at once, every second: two for a step, two for the next; only then anybody is asked."""
    plan = schedule(4, availability=AlwaysAvailable(), stragglers=StragglerPolicy(mode="buffered", buffer=2))
    assert [(dict(t.origins), t.ends) for t in plan.cohorts] == [
        ({0: 0, 1: 0}, 1),
        ({2: 0, 3: 0}, 1),
        ({0: 2, 1: 2}, 2),
        ({2: 2, 3: 2}, 2),
    ]


@dataclass(frozen=True)
class Away(AlwaysAvailable):
    """Client 1 comes after twenty seconds."""

    timed = True

    def make_model(self, clients: int, seed: int) -> AvailabilityModel:
        class Later(AvailabilityModel):
            def window(self, client: int, round: int, now: float) -> tuple[float, float]:
                return max(now, 20.0 * (client == 1)), math.inf

        return Later()


def test_a_buffered_round_asks_no_client_that_is_away(schedule: Any) -> None:
    plan = schedule(2, 40, availability=Away(), stragglers=StragglerPolicy(mode="buffered", buffer=1, concurrency=1))
    assert [t.participants for t in plan.cohorts[:20]] == [(0,)] * 20
    assert [t.ends for t in plan.cohorts] == list(range(1, 41))
    assert {t.participants for t in plan.cohorts[20:]} == {(0,), (1,)}


def test_a_buffered_deadline_gives_a_client_up_and_asks_another_one(schedule: Any) -> None:
    plan = schedule(
        rounds=3,
        availability=listed(1, 1, 9),
        stragglers=StragglerPolicy(mode="buffered", buffer=2, concurrency=2, deadline_s=3),
    )
    assert all(2 not in cohort.participants for cohort in plan.cohorts)
    assert {2} == {client for cohort in plan.cohorts for client in cohort.late}


def test_with_equal_speeds_and_everybody_at_work_buffered_rounds_are_synchronous_ones(schedule: Any) -> None:
    plan = schedule(
        5, sizes=(8, 16, 80, 9, 30), availability=AlwaysAvailable(), stragglers=StragglerPolicy(mode="buffered")
    )
    assert [(t.participants, t.ends) for t in plan.cohorts] == [(tuple(range(5)), r + 1.0) for r in range(4)]
    assert {staleness for r, t in enumerate(plan.cohorts) for staleness in t.staleness(r)} == {0}
