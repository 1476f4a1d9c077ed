"""Every fault that can befall a run: it ends with the bits of a serial run, or stops with one line and resumes to them.

Killed clients, coordinators and drivers, and damaged checkpoints: also in test_runtime, test_packed_runs,
test_cluster_runs and test_checkpoints.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from fedsilo.config.sections import Actors
from fedsilo.core import RoundRecord
from fedsilo.core.errors import ClientError, ClientLost, ClusterError, FedsiloError, RunError
from fedsilo.methods.fedotp import FedOTP
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialRuntime
from fedsilo.storage.run_folder import read_lines
from fedsilo_actors.fault_injection.fault_log import FaultLog, read_faults
from fedsilo_actors.fault_injection.fault_plan import FaultPlan, FaultPoint
from fedsilo_actors.fault_injection.faulty_actors import FaultyBackend, FaultyClientActor, with_faults
from fedsilo_actors.runtime import RayRuntime, ray_runtime

pytestmark = [pytest.mark.ray, pytest.mark.slow(60)]

METHOD = FedOTP(context_length=3)
SECTION = Actors(object_store_mb=80, start_timeout_s=600, timeout_s=20, retries=1)
"""Two actors hang for good, and each is waited for as long as the limit. It is short, but a call takes far less."""

FAULTS = (
    FaultPoint("kill coordinator", "save", 0),
    FaultPoint("hang client", "train", 1, client=0),
    FaultPoint("raise client", "evaluate", 2, client=1),
    FaultPoint("exhaust client", "train", 3, client=1),
    FaultPoint("kill client", "save", 4, client=0),
    FaultPoint("hang coordinator", "train", 5),
    FaultPoint("fill disk", "save", 5),
)


@dataclass(frozen=True)
class Aimed(FaultPlan):
    """Faults at given points, not drawn."""

    points: tuple[FaultPoint, ...] = ()

    def is_due(self, point: FaultPoint) -> bool:
        return point in self.points


ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[attr-defined]  # workers lack this file


def bits(outcomes: dict[str, Outcome]) -> Any:
    return {name: (o.shared_sha256, o.private_sha256, o.scores) for name, o in outcomes.items()}


def silent(part: str, record: RoundRecord) -> None:
    pass


def serial(here: Any, folder: Path) -> Any:
    folder.mkdir()
    return bits(SerialRuntime().run(here.job(folder, METHOD), here.prepared(), here.rules, silent))


def on_ray(here: Any, folder: Path, runtime: RayRuntime, watch: Any = silent) -> dict[str, Outcome]:
    folder.mkdir(exist_ok=True)
    return runtime.run(here.job(folder, METHOD, retries=1), here.prepared(), here.rules, watch)


def test_faults_of_clients_coordinator_and_disk_leave_the_bits_of_a_serial_run(world: Any, tmp_path: Path) -> None:
    here, folder = world(clients=2, rounds=6), tmp_path / "ray"
    told: list[int] = []
    stops: list[FedsiloError] = []
    notices: list[str] = []
    with ray_runtime(SECTION) as runtime:
        for attempt in range(4):
            ledger = FaultLog(folder, Aimed(0, {}, points=FAULTS), attempt)
            runtime.host, runtime.backend = with_faults(FaultyClientActor, ledger), with_faults(FaultyBackend, ledger)
            try:
                outcomes = on_ray(here, folder, runtime, lambda part, record: told.append(record.round))
                break
            except FedsiloError as error:
                stops.append(error)
    notices += outcomes["method"].notices
    assert bits(outcomes) == serial(here, tmp_path / "serial")
    assert [line["kind"] for line in read_faults(folder)] == [point.kind for point in FAULTS]
    assert [type(error) for error in stops] == [ClientError, RunError]
    assert [str(stop).count("\n") for stop in stops] == [0, 0]
    assert "client 01, stage 'evaluate': InjectedFault" in str(stops[0])
    assert "Free space" in str(stops[1])
    assert told == sorted(set(told)), "a round was told twice"
    assert not notices, "the last attempt was undisturbed"


def test_memory_and_object_store_that_are_gone_are_one_line_and_the_run_resumes(world: Any, tmp_path: Path) -> None:
    here, folder = world(clients=2, rounds=2), tmp_path / "ray"
    # Its disk counts as full. Left to itself, Ray moves objects there all the same, after a while.
    with small_ray(local_fs_capacity_threshold=0.0, automatic_object_spilling_enabled=False):
        hoard = filled()
        with (
            pytest.raises(ClusterError, match="the disk that Ray moves objects to is full"),
            ray_runtime(SECTION) as run,
        ):
            on_ray(here, folder, run)
        del hoard
    with small_ray(
        memory_usage_threshold=0.001, memory_monitor_refresh_ms=100
    ):  # every process is ended by Ray's guard
        with (
            pytest.raises((ClusterError, ClientLost)) as caught,
            ray_runtime(replace(SECTION, start_timeout_s=5)) as run,
        ):
            on_ray(here, folder, run)
        assert "\n" not in str(caught.value)
    # What the next one finds is the folder; it needs no Ray to go on.
    resumed = SerialRuntime().run(here.job(folder, METHOD), here.prepared(), here.rules, silent)
    assert bits(resumed) == serial(here, tmp_path / "serial")


@contextmanager
def small_ray(**settings: object) -> Iterator[None]:
    quiet: Any = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    room: Any = {"num_cpus": 2, "object_store_memory": 80 << 20}
    ray.init(address="local", namespace="fedsilo", _system_config=settings, **quiet, **room)
    try:
        yield
    finally:
        ray.shutdown()


def filled() -> list[Any]:
    """References that hold all of the object store, to the last kilobyte."""
    held: list[Any] = []
    for size in (8 << 20, 1 << 20, 1 << 17, 1 << 12):
        with suppress(ray.exceptions.OutOfDiskError):
            for _ in range(64):
                held.append(ray.put(np.ones(size, np.uint8)))
    return held


SCENARIO = """\
data: {name: emblems, classes: 4, domains: [sketch, neon], train_per_class_and_domain: 4, test_per_class_and_domain: 3}
partition: {clients: 2, label: {name: dirichlet, beta: 1.0}}
method: {name: fedotp, context_length: 2}
training: {rounds: 4, local_epochs: 1, batch_size: 4, optimizer: {learning_rate: 0.1}}
actors: {start_timeout_s: 600, timeout_s: 600, encoders: 1, object_store_mb: 80}
"""


def test_chaos_from_the_command_line_strikes_machines_drivers_encoders_and_checkpoints(tmp_path: Path) -> None:
    """A cluster of three nodes; stopped runs are resumed, and all of it is told."""
    (tmp_path / "s.yaml").write_text(SCENARIO)
    words = ["--kill", "encoder:1", "--kill", "driver:0.2", "--kill", "node:0.3", "--damage", "checkpoint:0.3"]
    words += ["--fill", "store:0.3", "--seed", "15813", "--root", "runs", "--json"]
    environment = {**os.environ, "FEDSILO_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "fedsilo", "chaos", "s.yaml", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    struck = {row["fault"]: row["struck"] for row in found["faults"]}
    assert all(struck.values()), struck
    [run] = found["runs"]
    assert found["equal"]
    assert run["sha256"] == found["reference"]["sha256"] != ""
    assert len(run["stops"]) == struck["kill driver"] + struck["damage checkpoint"]
    assert any("round-0" in stop and ("bit flipped" in stop or "cut off" in stop) for stop in run["stops"])
    assert [line["round"] for line in read_lines(Path(tmp_path / run["folder"]) / "rounds.jsonl")] == [0, 1, 2, 3]
