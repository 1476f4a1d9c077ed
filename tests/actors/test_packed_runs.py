"""Clients that share actors: the bits of a serial run, whichever clients share an actor, and whichever process dies."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.secure import Secure
from fedsilo.config.sections import Actors, ClientResources
from fedsilo.core import RoundRecord
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.fedotp import FedOTP
from fedsilo.methods.local import Local
from fedsilo.methods.promptfl import PromptFL
from fedsilo.methods.troika import Troika
from fedsilo.methods.vp_cmjl import VPCMJL
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.job import Job, JobPart
from fedsilo.simulation.serial import SerialRuntime
from fedsilo.storage.run_folder import read_lines
from fedsilo_actors.runtime import RayRuntime, ray_runtime

pytestmark = pytest.mark.ray
CLIENTS = 5
NAMES = {"clients 01-02", "clients 00, 03", "client 04"}
"""Two in an actor, by the sizes that the world gives them."""

METHODS = {
    "shared": PromptFL(context_length=3),
    "local": Local(context_length=3),
    "batches": DPFPL(context_length=3, rank=2),
    "both": FedOTP(context_length=3),
    "prototypes": VPCMJL(adapter_width=3),
    "traction": Troika(adapters=False, traction_layers=1),
}


@pytest.fixture(scope="module")
def runtime() -> Iterator[RayRuntime]:
    section = Actors(object_store_mb=80, start_timeout_s=600, timeout_s=600, clients_per_actor=2)
    with ray_runtime(section) as started:
        yield started


def silent(part: str, record: RoundRecord) -> None:
    pass


def bits(outcomes: dict[str, Outcome]) -> Any:
    return {name: (o.shared_sha256, o.private_sha256, o.scores, o.epsilon) for name, o in outcomes.items()}


def both(
    runtime: RayRuntime, here: Any, job: Any, watch: Any = silent
) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
    """The outcomes on Ray and of a serial run of the same job, job(folder name)."""
    on_ray = runtime.run(job("ray"), here.prepared(), here.rules, watch)
    return on_ray, SerialRuntime().run(job("serial"), here.prepared(), here.rules, silent)


def test_packed_runs_are_serial_runs_bit_for_bit(runtime: RayRuntime, world: Any, tmp_path: Path) -> None:
    """Several methods one after the other in the same actors, one under masks; two clients may be away in a round."""
    here, seen = world(clients=CLIENTS, rounds=2, participation=0.7), set[str]()

    def job(name: str) -> Job:
        folder = tmp_path / name
        folder.mkdir()
        plans = {part: here.plan(method) for part, method in METHODS.items()}
        # What is masked must be what is added: the ring shows the sum that the masks hide.
        plans["masked"] = here.plan(METHODS["both"], aggregation=Secure() if name == "ray" else Modular())
        return Job(folder, tuple(JobPart(n, folder / n, plan) for n, plan in plans.items()), 2)

    def look(part: str, record: RoundRecord) -> None:
        actors = ray.util.list_named_actors(all_namespaces=True)
        seen.update(actor["name"] for actor in actors if "client" in actor["name"])

    on_ray, serial = both(runtime, here, job, look)
    assert bits(on_ray) == bits(serial)
    assert seen == {f"ray {name}" for name in NAMES}
    wire = read_lines(tmp_path / "ray" / "masked" / "wire.jsonl")
    up = [line for line in wire if line["direction"] == "up" and line["stage"] == "train"]
    assert {line["message"] for line in up} == {"advertise", "shares", "masked", "unmask"}
    assert all("tensors" not in line and "scalars" not in line for line in up)
    told = on_ray["shared"].records[-1]["slowest"]
    assert told["client"] in on_ray["shared"].records[-1]["participants"]  # type: ignore[index, operator]
    assert told["seconds"] >= told["median"] > 0  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "rounds"), [("local", 40), ("prototypes", 6), ("traction", 6)])
def test_a_killed_actor_s_clients_all_come_back_and_change_no_bit(
    runtime: RayRuntime, world: Any, tmp_path: Path, method: str, rounds: int
) -> None:
    here, name = world(clients=CLIENTS, rounds=rounds, participation=0.7), "ray clients 00, 03"

    def job(name: str) -> Job:
        (tmp_path / name).mkdir()
        return here.job(tmp_path / name, METHODS[method], retries=1)  # type: ignore[no-any-return]

    def kill(part: str, record: RoundRecord) -> None:
        if record.round == 1:
            os.kill(ray.get(ray.get_actor(name).__ray_call__.remote(lambda self: os.getpid())), signal.SIGKILL)

    on_ray, serial = both(runtime, here, job, kill)
    assert any("clients 00, 03" in notice for notice in on_ray["method"].notices), on_ray["method"].notices
    assert bits(on_ray) == bits(serial)


@pytest.mark.slow
def test_noise_in_shares_and_masked_sums_of_packed_clients_are_the_serial_ones(
    runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    mechanism = Distributed(unit="example", noise_multiplier=2.0)
    here = world(clients=CLIENTS, rounds=1, batch_size=16, mechanism=mechanism)

    def job(name: str) -> Job:
        (tmp_path / name).mkdir()
        return here.job(tmp_path / name, METHODS["batches"], aggregation=Secure())  # type: ignore[no-any-return]

    on_ray, serial = both(runtime, here, job)
    assert bits(on_ray) == bits(serial)
    ledgers = [(tmp_path / name / "ledger.jsonl").read_text() for name in ("ray", "serial")]
    assert ledgers[0] == ledgers[1] != ""


@pytest.mark.slow
def test_a_client_that_asks_for_more_has_an_actor_of_its_own(runtime: RayRuntime, world: Any, tmp_path: Path) -> None:
    section = Actors(
        start_timeout_s=600, timeout_s=600, clients_per_actor=CLIENTS, clients={3: ClientResources(cpus=0.5)}
    )
    here, seen = world(clients=CLIENTS, rounds=1), set[str]()

    def job(name: str) -> Job:
        (tmp_path / name).mkdir()
        return here.job(tmp_path / name, METHODS["shared"])  # type: ignore[no-any-return]

    def look(part: str, record: RoundRecord) -> None:
        actors = ray.util.list_named_actors(all_namespaces=True)
        seen.update(actor["name"] for actor in actors if "client" in actor["name"])

    on_ray, serial = both(RayRuntime(section), here, job, look)
    assert bits(on_ray) == bits(serial)
    assert seen == {"ray clients 00-02, 04", "ray client 03"}
