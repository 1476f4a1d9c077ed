"""Who takes part when, in simulated time: pure functions of the scenario, no training."""

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core.errors import ScenarioError
from fedsilo.simulation.availability.renewal import Renewal
from fedsilo.simulation.availability.speeds import Speeds
from fedsilo.simulation.availability.sporadic import Sporadic
from fedsilo.simulation.cohort import describe_absences
from fedsilo.simulation.schedule import Schedule


def told(plan: Schedule) -> list[tuple[Any, ...]]:
    return [(t.participants, t.late, t.offline, t.ends) for t in plan.cohorts]


def listed(*seconds: float, **keys: Any) -> Speeds:
    return Speeds(seconds_per_step=list(seconds), **keys)


def test_without_a_deadline_a_round_takes_as_long_as_its_slowest_client(schedule: Any) -> None:
    assert told(schedule(rounds=2, availability=listed(1, 2, 5))) == [
        ((0, 1, 2), (), (), 5.0),
        ((0, 1, 2), (), (), 10.0),
    ]


def test_who_needs_longer_than_the_deadline_is_late_and_the_round_lasts_until_it(schedule: Any) -> None:
    plan = schedule(rounds=2, availability=listed(1, 4, 5), stragglers=StragglerPolicy(deadline_s=4))
    assert told(plan) == [((0, 1), (2,), (), 4.0), ((0, 1), (2,), (), 8.0)]


def test_of_more_clients_than_are_wanted_the_first_are_taken_and_the_round_ends_with_the_last_of_them(
    schedule: Any,
) -> None:
    plan = schedule(4, 2, participation=0.5, availability=listed(3, 1, 2, 2), stragglers=StragglerPolicy(over_select=2))
    assert told(plan) == [((0, 1, 2, 3), (), (), 3.0), ((1, 2), (0, 3), (), 5.0)]  # 2 and 3 at once: the lower number


def test_a_round_with_too_few_answers_ends_without_an_update_and_counts_no_client(schedule: Any) -> None:
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


def test_a_client_that_goes_away_at_its_work_begins_again_when_it_is_back(schedule: Any) -> None:
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


def test_a_client_that_breaks_down_is_offline_and_an_everlasting_failure_is_refused(schedule: Any) -> None:
    plan = schedule(10, 5, availability=Speeds(drop_out=0.5))
    assert any(cohort.offline for cohort in plan.cohorts)
    assert all(len(cohort.participants) + len(cohort.offline) == 10 for cohort in plan.cohorts)


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
    schedule: Any, availability: Any, sizes: tuple[int, ...], seed: int, deadline: float | None, over: float
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
    schedule: Any, availability: Any, sizes: tuple[int, ...], seed: int, deadline: float | None, data: Any
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
def test_ten_times_the_clients_are_about_ten_times_the_work(
    schedule: Any, stragglers: StragglerPolicy, count_calls: Any
) -> None:
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


def test_one_client_is_enough(schedule: Any) -> None:
    for stragglers in (StragglerPolicy(deadline_s=2), StragglerPolicy(mode="buffered")):
        plan = schedule(1, 3, availability=Speeds(), stragglers=stragglers)
        assert told(plan) == [((0,), (), (), r + 1.0) for r in range(3)]
