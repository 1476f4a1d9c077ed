"""Who takes part when, in simulated time: pure functions of the scenario, no training."""

import contextlib
import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core import AvailabilityModel
from fedsilo.core.errors import ScenarioError
from fedsilo.core.training_settings import Training
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.availability.none import AlwaysAvailable
from fedsilo.simulation.availability.renewal import Renewal
from fedsilo.simulation.availability.speeds import Speeds
from fedsilo.simulation.availability.sporadic import Sporadic
from fedsilo.simulation.client_sampling import Traffic
from fedsilo.simulation.cohort import describe_absences
from fedsilo.simulation.schedule import Schedule

METHOD = PromptFL(context_length=3)


def schedule(clients: int = 3, rounds: int = 4, size: int = 8, seed: int = 0, **changes: Any) -> Schedule:
    """Every client makes one step a round unless sizes say otherwise."""
    training = Training(rounds=rounds, batch_size=8, participation=changes.pop("participation", 1.0))
    sizes = changes.pop("sizes", (size,) * clients)
    return Schedule(changes.pop("method", METHOD), training, sizes, seed, **changes)


def told(plan: Schedule) -> list[tuple[Any, ...]]:
    return [(t.participants, t.late, t.offline, t.ends) for t in plan.cohorts]


def listed(*seconds: float, **keys: Any) -> Speeds:
    return Speeds(seconds_per_step=list(seconds), **keys)


def test_without_a_deadline_a_round_takes_as_long_as_its_slowest_client() -> None:
    assert told(schedule(rounds=2, availability=listed(1, 2, 5))) == [
        ((0, 1, 2), (), (), 5.0),
        ((0, 1, 2), (), (), 10.0),
    ]


def test_who_needs_longer_than_the_deadline_is_late_and_the_round_lasts_until_it() -> None:
    plan = schedule(rounds=2, availability=listed(1, 4, 5), stragglers=StragglerPolicy(deadline_s=4))
    assert told(plan) == [((0, 1), (2,), (), 4.0), ((0, 1), (2,), (), 8.0)]


def test_of_more_clients_than_are_wanted_the_first_are_taken_and_the_round_ends_with_the_last_of_them() -> None:
    plan = schedule(4, 2, participation=0.5, availability=listed(3, 1, 2, 2), stragglers=StragglerPolicy(over_select=2))
    assert told(plan) == [((0, 1, 2, 3), (), (), 3.0), ((1, 2), (0, 3), (), 5.0)]  # 2 and 3 at once: the lower number


def test_over_selection_asks_so_many_times_the_clients_rounded_up() -> None:
    plan = schedule(20, participation=0.35, stragglers=StragglerPolicy(over_select=1.3))
    assert [len(plan.asked(round)) for round in (0, 1)] == [20, 10]  # 1.3 * 7 = 9.1
    assert len(plan.participants(1)) == 7
    exact = schedule(20, participation=0.5, stragglers=StragglerPolicy(over_select=1.1))
    assert len(exact.asked(1)) == 11  # 1.1 * 10 is 11.000000000000002


def test_a_round_with_too_few_answers_ends_without_an_update_and_counts_no_client() -> None:
    plan = schedule(
        rounds=3, seed=4, availability=Sporadic(online=0.5), stragglers=StragglerPolicy(minimum=2, deadline_s=3)
    )
    counts = [(len(t.participants), len(t.participants) + len(t.late) + len(t.offline), t.ends) for t in plan.cohorts]
    assert [whole for _, whole, _ in counts] == [3, 3, 3]
    assert 1 not in [count for count, _, _ in counts]
    assert 0 in [count for count, _, _ in counts]
    empty = [count for count, _, _ in counts].index(0)
    assert plan.exchanges(plan.participants(empty)) == 0
    assert list(plan.turns_of(empty)) == []
    assert describe_absences(plan.cohorts)[0].startswith("stragglers: 2 of 3 rounds ended without an update: 0, 2.")


def test_messages_take_the_time_of_their_bytes_on_the_clients_lines() -> None:
    availability = Speeds(step_s=2, download_mbit_s=1, upload_mbit_s=0.5)
    plan = schedule(1, 1, size=16, availability=availability, traffic=Traffic(125_000, 62_500))
    assert plan.cohorts[0].ends == 2 * 2 + 1 + 1
    with pytest.raises(ScenarioError, match="known once the backbone is loaded"):
        _ = schedule(1, 1, availability=availability).cohorts


def test_where_every_batch_is_sent_all_make_as_many_steps_as_the_longest() -> None:
    method = DPFPL(context_length=3, rank=2)
    availability = listed(1, 1, upload_mbit_s=8e-6)  # a byte a second
    plan = schedule(rounds=1, sizes=(8, 24), method=method, availability=availability, traffic=Traffic(0, 2))
    assert plan.cohorts[0].ends == 3 * (1 + 2)


def test_a_client_that_goes_away_at_its_work_begins_again_when_it_is_back() -> None:
    availability = Renewal(step_s=10, mean_online_s=12, mean_offline_s=5)
    plan = schedule(1, 20, availability=availability)
    model, clock = availability.make_model(1, 0), 0.0
    for cohort in plan.cohorts:
        begins, until = model.window(0, 0, clock)
        while until - begins < 10:
            begins, until = model.window(0, 0, until)
        assert cohort.participants == (0,)
        assert cohort.ends == begins + 10
        clock = begins + 10
    assert any(cohort.seconds and cohort.seconds > 11 for cohort in plan.cohorts)


def test_a_client_that_breaks_down_is_offline_and_an_everlasting_failure_is_refused() -> None:
    plan = schedule(10, 5, availability=Speeds(drop_out=0.5))
    assert any(cohort.offline for cohort in plan.cohorts)
    assert all(len(cohort.participants) + len(cohort.offline) == 10 for cohort in plan.cohorts)


def test_a_run_in_which_no_client_would_ever_answer_is_refused_in_one_line() -> None:
    for stragglers in (StragglerPolicy(deadline_s=0.5), StragglerPolicy(mode="buffered", deadline_s=0.5)):
        with pytest.raises(
            ScenarioError, match=r"availability: in none of 4 rounds would .* 0\.5 simulated seconds\. Give"
        ):
            _ = schedule(availability=Speeds(), stragglers=stragglers).cohorts
    with pytest.raises(ScenarioError, match="in none of 4 rounds"):
        _ = schedule(availability=Speeds(drop_out=0.9999999), stragglers=StragglerPolicy(mode="buffered")).cohorts


def test_without_pace_and_trace_a_schedule_is_what_it_was() -> None:
    plan = schedule(5, participation=0.4)
    assert not plan.timed
    assert plan.cohorts[1].seconds is None
    timed = schedule(5, participation=0.4, availability=Speeds())
    assert [timed.participants(r) for r in range(4)] == [plan.participants(r) for r in range(4)]


def test_buffered_rounds_of_three_clients_worked_out_by_hand() -> None:
    """Client 2 takes five seconds and is overtaken twice; client 1 is asked in round 2 and comes in round 3."""
    plan = schedule(rounds=4, availability=listed(1, 2, 5), stragglers=StragglerPolicy(mode="buffered", buffer=2))
    assert [(t.participants, t.ends) for t in plan.cohorts] == [((0, 1), 2), ((0, 1), 4), ((0, 2), 5), ((0, 1), 6)]
    assert [dict(t.origins) for t in plan.cohorts] == [{0: 0, 1: 0}, {0: 1, 1: 1}, {0: 2, 2: 0}, {0: 3, 1: 2}]
    assert [t.staleness(r) for r, t in enumerate(plan.cohorts)] == [(0, 0), (0, 0), (0, 2), (0, 1)]
    assert [sorted(plan.outstanding(r)) for r in range(4)] == [[], [], [2], []]


def test_of_events_at_the_same_moment_answers_come_before_new_calls() -> None:
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


def test_a_buffered_round_asks_no_client_that_is_away() -> None:
    plan = schedule(2, 40, availability=Away(), stragglers=StragglerPolicy(mode="buffered", buffer=1, concurrency=1))
    assert [t.participants for t in plan.cohorts[:20]] == [(0,)] * 20
    assert [t.ends for t in plan.cohorts] == list(range(1, 41))
    assert {t.participants for t in plan.cohorts[20:]} == {(0,), (1,)}


def test_a_buffered_deadline_gives_a_client_up_and_asks_another_one() -> None:
    plan = schedule(
        rounds=3,
        availability=listed(1, 1, 9),
        stragglers=StragglerPolicy(mode="buffered", buffer=2, concurrency=2, deadline_s=3),
    )
    assert all(2 not in cohort.participants for cohort in plan.cohorts)
    assert {2} == {client for cohort in plan.cohorts for client in cohort.late}


def test_with_equal_speeds_and_everybody_at_work_buffered_rounds_are_synchronous_ones() -> None:
    plan = schedule(
        5, sizes=(8, 16, 80, 9, 30), availability=AlwaysAvailable(), stragglers=StragglerPolicy(mode="buffered")
    )
    assert [(t.participants, t.ends) for t in plan.cohorts] == [(tuple(range(5)), r + 1.0) for r in range(4)]
    assert {staleness for r, t in enumerate(plan.cohorts) for staleness in t.staleness(r)} == {0}


TRACES = st.one_of(
    st.builds(Speeds, spread=st.sampled_from([0.0, 1.0]), drop_out=st.sampled_from([0.0, 0.3])),
    st.builds(Sporadic, online=st.sampled_from([0.3, 0.9]), spread=st.sampled_from([0.0, 1.0])),
    st.builds(Renewal, mean_online_s=st.sampled_from([1.5, 20.0]), mean_offline_s=st.sampled_from([1.0, 10.0])),
)
SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any).map(tuple)


def made(plan: Schedule) -> bool:
    """Whether anybody ever answers; what is refused is refused for that."""
    with contextlib.suppress(ScenarioError):
        return bool(plan.cohorts)
    with pytest.raises(ScenarioError, match="availability: in none of"):
        _ = plan.cohorts
    return False


@settings(deadline=None, max_examples=40)
@given(TRACES, SIZES, st.integers(0, 9), st.sampled_from([None, 2.0, 9.0]), st.sampled_from([1.0, 1.7]))
def test_every_client_asked_is_in_one_list_and_no_round_is_longer_than_its_deadline(
    availability: Any, sizes: tuple[int, ...], seed: int, deadline: float | None, over: float
) -> None:
    stragglers = StragglerPolicy(deadline_s=deadline, over_select=over)
    plan = schedule(sizes=sizes, seed=seed, participation=0.6, availability=availability, stragglers=stragglers)
    if not made(plan):
        return
    clock = 0.0
    for round, cohort in enumerate(plan.cohorts):
        assert sorted((*cohort.participants, *cohort.late, *cohort.offline)) == list(plan.asked(round))
        assert len(cohort.participants) <= plan.target(round)
        assert cohort.begins == clock
        assert cohort.ends is not None
        assert 0 <= cohort.ends - clock <= (deadline or math.inf) * (1 + 1e-12)
        clock = cohort.ends
    assert told(
        schedule(sizes=sizes, seed=seed, participation=0.6, availability=availability, stragglers=stragglers)
    ) == told(plan)


@settings(deadline=None, max_examples=40)
@given(TRACES, SIZES, st.integers(0, 9), st.sampled_from([None, 3.0]), st.data())
def test_a_buffered_client_begins_after_its_last_update_and_counts_once_a_round(
    availability: Any, sizes: tuple[int, ...], seed: int, deadline: float | None, data: Any
) -> None:
    count = sum(map(bool, sizes))
    concurrency = data.draw(st.integers(1, count))
    buffer = data.draw(st.integers(1, concurrency))
    stragglers = StragglerPolicy(mode="buffered", buffer=buffer, concurrency=concurrency, deadline_s=deadline)
    plan = schedule(sizes=sizes, rounds=12, seed=seed, availability=availability, stragglers=stragglers)
    if not made(plan):
        return
    clock, last = 0.0, dict.fromkeys(range(len(sizes)), -1)
    for round, cohort in enumerate(plan.cohorts):
        assert len(cohort.participants) in (0, buffer)
        assert list(cohort.participants) == sorted(cohort.origins)
        for client, origin in cohort.origins.items():
            assert last[client] < origin <= round
            assert sizes[client]
            last[client] = round
        assert cohort.ends is not None
        assert cohort.ends >= clock
        clock = cohort.ends
    later = [t.origins for t in plan.cohorts]
    for round in range(12):
        needed = {begun for origins in later[round + 1 :] for begun in origins.values() if 0 < begun <= round}
        assert plan.outstanding(round) == needed


@pytest.mark.parametrize(
    "stragglers", [StragglerPolicy(deadline_s=40), StragglerPolicy(mode="buffered", buffer=50, concurrency=200)]
)
def test_ten_times_the_clients_are_about_ten_times_the_work(stragglers: StragglerPolicy, count_calls: Any) -> None:
    availability = Renewal(spread=1, mean_online_s=200, mean_offline_s=100)

    def planned(clients: int) -> int:
        sizes = tuple(1 + number % 100 for number in range(clients))
        plan = schedule(
            sizes=sizes,
            rounds=5,
            participation=1.0 if stragglers.buffered else 0.1,
            availability=availability,
            stragglers=stragglers,
        )
        return len(plan.cohorts)

    planned(250)  # what is computed once
    few, rounds = count_calls(lambda: planned(250))
    many, _ = count_calls(lambda: planned(2500))
    assert rounds == 5
    assert many < 20 * few


def test_one_client_is_enough() -> None:
    for stragglers in (StragglerPolicy(deadline_s=2), StragglerPolicy(mode="buffered")):
        plan = schedule(1, 3, availability=Speeds(), stragglers=stragglers)
        assert told(plan) == [((0,), (), (), r + 1.0) for r in range(3)]
