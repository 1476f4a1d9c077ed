"""What a schedule refuses, and that time it does not simulate changes nothing."""

from typing import Any

import pytest

from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.core.errors import ScenarioError
from fedsilo.simulation.availability.speeds import Speeds


def test_a_run_in_which_no_client_would_ever_answer_is_refused_in_one_line(schedule: Any) -> None:
    for stragglers in (StragglerPolicy(deadline_s=0.5), StragglerPolicy(mode="buffered", deadline_s=0.5)):
        with pytest.raises(
            ScenarioError, match=r"availability: in none of 4 rounds would .* 0\.5 simulated seconds\. Give"
        ):
            _ = schedule(availability=Speeds(), stragglers=stragglers).cohorts
    with pytest.raises(ScenarioError, match="in none of 4 rounds"):
        _ = schedule(availability=Speeds(drop_out=0.9999999), stragglers=StragglerPolicy(mode="buffered")).cohorts


def test_without_pace_and_trace_a_schedule_is_what_it_was(schedule: Any) -> None:
    plan = schedule(5, participation=0.4)
    assert not plan.timed
    assert plan.cohorts[1].seconds is None
    timed = schedule(5, participation=0.4, availability=Speeds())
    assert [timed.participants(r) for r in range(4)] == [plan.participants(r) for r in range(4)]
