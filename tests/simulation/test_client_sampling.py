"""How many clients a round asks, and what it asks them for."""

from typing import Any

import pytest

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core.errors import ScenarioError
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.simulation.availability.speeds import Speeds
from fedsilo.simulation.client_sampling import Traffic


def listed(*seconds: float, **keys: Any) -> Speeds:
    return Speeds(seconds_per_step=list(seconds), **keys)


def test_over_selection_asks_so_many_times_the_clients_rounded_up(schedule: Any) -> None:
    plan = schedule(20, participation=0.35, stragglers=StragglerPolicy(over_select=1.3))
    assert [len(plan.asked(round)) for round in (0, 1)] == [20, 10]  # 1.3 * 7 = 9.1
    assert len(plan.participants(1)) == 7
    exact = schedule(20, participation=0.5, stragglers=StragglerPolicy(over_select=1.1))
    assert len(exact.asked(1)) == 11  # 1.1 * 10 is 11.000000000000002


def test_messages_take_the_time_of_their_bytes_on_the_clients_lines(schedule: Any) -> None:
    availability = Speeds(step_s=2, download_mbit_s=1, upload_mbit_s=0.5)
    plan = schedule(1, 1, size=16, availability=availability, traffic=Traffic(125_000, 62_500))
    assert plan.cohorts[0].ends == 2 * 2 + 1 + 1
    with pytest.raises(ScenarioError, match="known once the backbone is loaded"):
        _ = schedule(1, 1, availability=availability).cohorts


def test_where_every_batch_is_sent_all_make_as_many_steps_as_the_longest(schedule: Any) -> None:
    method = DPFPL(context_length=3, rank=2)
    availability = listed(1, 1, upload_mbit_s=8e-6)  # a byte a second
    plan = schedule(rounds=1, sizes=(8, 24), method=method, availability=availability, traffic=Traffic(0, 2))
    assert plan.cohorts[0].ends == 3 * (1 + 2)
