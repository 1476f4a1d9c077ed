"""Actors that run out of memory are given more of it, on pretended GPUs; the bits stay those of a serial run."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import torch
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from fedsilo.config.sections import Actors
from fedsilo.core import RoundRecord
from fedsilo.core.errors import ResourceError
from fedsilo.methods.local import Local
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialRuntime
from fedsilo_actors.client_actor import ClientActor
from fedsilo_actors.placement.packing import Host
from fedsilo_actors.placement.reservation import WaitLimit, reserve
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.recovery.actor_restart import Relocation, sweep
from fedsilo_actors.runtime import RayRuntime, ray_runtime

METHOD = Local(context_length=3)


LIMITS = {"start_timeout_s": 600, "timeout_s": 600}


@pytest.fixture(scope="module")
def ray_with_two_gpus() -> Iterator[None]:
    with ray_runtime(Actors(pretend_gpus=2, object_store_mb=80, **LIMITS)):
        yield


def silent(part: str, record: RoundRecord) -> None:
    pass


def bits(outcomes: dict[str, Outcome]) -> Any:
    return {name: (o.shared_sha256, o.private_sha256, o.scores) for name, o in outcomes.items()}


def serial(here: Any, folder: Path) -> dict[str, Outcome]:
    folder.mkdir()
    return SerialRuntime().run(here.job(folder, METHOD), here.prepared(), here.rules, silent)


def greedy(at_start: dict[int, float], in_round_one: dict[int, float]) -> type[ClientActor]:
    """A host whose GPU is full below a share, by client: when it starts, or when it trains in round 1."""

    class Greedy(ClientActor):
        def _full(self, least: dict[int, float]) -> None:
            host = self._place.host
            if any(host.demand.gpus < least.get(client, 0) for client in host.clients):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79 GiB.")

        def supply(self, supplies: Any) -> None:
            with self._within_memory("start"):
                self._full(at_start)
            super().supply(supplies)

        def train(self, tasks: Any) -> Any:
            if any(task.round == 1 for task in tasks.values()):
                with self._within_memory("train"):
                    self._full(in_round_one)
            return super().train(tasks)

    return Greedy


def on_gpus(kind: type[ClientActor], **changes: Any) -> RayRuntime:
    runtime = RayRuntime(Actors(pretend_gpus=2, **{"gpus_per_client": 0.25, **LIMITS, **changes}))
    runtime.host = kind  # type: ignore[misc]
    return runtime


def all_gpus_free(within_s: float) -> bool:
    """Whether nothing that was reserved outlives the run."""
    deadline = time.monotonic() + within_s
    while ray.available_resources().get("GPU", 0.0) < 2.0 and time.monotonic() < deadline:
        time.sleep(0.2)
    return bool(ray.available_resources().get("GPU", 0.0) == 2.0)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_with_two_gpus")
def test_an_actor_that_runs_out_of_memory_is_given_twice_as_much_and_changes_no_bit(world: Any, tmp_path: Path) -> None:
    """Clients 1 and 3 at once: one try for both, and with no room for the second, all are placed again.

    Client 0 needs more already before the first round, and finds it on the other GPU.
    """
    here, folder = world(clients=4, rounds=3), tmp_path / "ray"
    folder.mkdir()
    runtime = on_gpus(greedy({0: 0.5}, {1: 0.5, 3: 0.5}))
    outcomes = runtime.run(here.job(folder, METHOD, retries=1), here.prepared(), here.rules, silent)
    assert all_gpus_free(within_s=600)
    assert bits(outcomes) == bits(serial(here, tmp_path / "serial"))
    assert outcomes["method"].notices == (
        "actors were started again: client 00, stage 'start': 0.25 GPU was too little (CUDA out of memory); it is "
        "given 0.5 GPU.",
        "round 1 was tried again: client 01, stage 'train': 0.25 GPU was too little (CUDA out of memory); it is given "
        "0.5 GPU.",
    )


def light() -> Any:
    """What starts actors for hosts that cost little."""

    def start(host: Host, group: PlacementGroup | None, bundle: int) -> Any:
        strategy = "DEFAULT" if group is None else PlacementGroupSchedulingStrategy(group, bundle)

        class Light:
            pass

        return ray.remote(num_gpus=host.demand.gpus, num_cpus=0)(Light).options(scheduling_strategy=strategy).remote()

    return SimpleNamespace(section=Actors(**LIMITS), run="light", start=start)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_with_two_gpus")
@pytest.mark.parametrize(
    ("shares", "moved"),
    [
        ([0.5, 0.5], {1}),  # both on one GPU: there is another
        ([0.5, 0.5, 0.5], {0, 1, 2}),  # nowhere a whole one is free, until all are placed again
        ([0.5, 0.5, 0.5, 0.5], None),
    ],
)
def test_one_moves_where_there_is_room_or_all_do_and_nothing_stays_reserved(
    shares: list[float], moved: set[int] | None
) -> None:
    hosting, hosts = light(), [Host((number,), Resources(share, 0), 1) for number, share in enumerate(shares)]
    group = reserve([host.demand for host in hosts], WaitLimit(600))
    assert group is not None
    before = [hosting.start(host, group, number) for number, host in enumerate(hosts)]
    actors, moving = list(before), Relocation(hosting, group)
    hosts[1] = Host((1,), Resources(1.0, 0), 1)
    if moved is None:
        line = (
            r"4 client actors ask for 1 x 1 \+ 3 x 0.5 GPU = 2.5, which takes 3 whole GPUs; the cluster has 2\. Lower"
        )
        with pytest.raises(ResourceError, match=line):
            moving.move({1}, actors, hosts)
    else:
        assert moving.move({1}, actors, hosts) == moved
        assert {number for number, actor in enumerate(actors) if actor != before[number]} == moved
        assert not all_gpus_free(within_s=0)
    for actor in actors:
        ray.kill(actor)
    remove_placement_group(group)
    sweep("light")
    assert all_gpus_free(within_s=600)
