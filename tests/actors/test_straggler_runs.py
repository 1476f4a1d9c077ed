"""Simulated time on real actors: the bits and the records of a serial run, whatever the wall clock says."""

from pathlib import Path
from typing import Any

import pytest

from fedsilo.config.sections import Actors
from fedsilo.config.stragglers import StragglerPolicy
from fedsilo.methods.fedotp import FedOTP
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.availability.renewal import Renewal
from fedsilo.simulation.availability.speeds import Speeds
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.job import Job, JobPart
from fedsilo.simulation.serial import SerialRuntime
from fedsilo_actors.runtime import ray_runtime

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def silent(part: str, record: object) -> None:
    pass


def told(outcomes: dict[str, Outcome]) -> Any:
    """Everything but wall time."""
    return {
        name: (
            (o.shared_sha256, o.private_sha256, o.scores, o.notices),
            [{k: v for k, v in record.items() if k not in ("seconds", "slowest", "attempts")} for record in o.records],
        )
        for name, o in outcomes.items()
    }


def test_paced_runs_on_ray_are_serial_runs_bit_for_bit(world: Any, tmp_path: Path) -> None:
    here = world(clients=5, rounds=6, participation=0.5)
    comes_and_goes = Renewal(seconds_per_step=[1, 2, 5, 1, 3], mean_online_s=60, mean_offline_s=10, drop_out=0.1)
    both, one = FedOTP(context_length=3), PromptFL(context_length=3)
    plans = {
        "buffered": here.plan(
            both, stragglers=StragglerPolicy(mode="buffered", deadline_s=18.5), availability=comes_and_goes
        ),
        "deadline": here.plan(
            one,
            stragglers=StragglerPolicy(deadline_s=6, over_select=1.6, minimum=2),
            availability=Speeds(spread=0.7, drop_out=0.2),
        ),
    }
    schedules = {name: plan.schedule for name, plan in plans.items()}
    assert any(schedules["buffered"].outstanding(round) for round in range(5))
    assert all(any(cohort.late for cohort in schedule.cohorts) for schedule in schedules.values())

    def job(name: str) -> Job:
        folder = tmp_path / name
        folder.mkdir()
        return Job(folder, tuple(JobPart(part, folder / part, plan) for part, plan in plans.items()), 2)

    section = Actors(object_store_mb=80, start_timeout_s=600, timeout_s=600, clients_per_actor=3)
    with ray_runtime(section) as runtime:
        on_ray = runtime.run(job("ray"), here.prepared(), here.rules, silent)
    assert told(on_ray) == told(SerialRuntime().run(job("serial"), here.prepared(), here.rules, silent))
