"""The Ray runtime on a local Ray with two pretended GPUs, checked against the serial backend or by counting."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util.placement_group import remove_placement_group

from fedsilo.config.sections import Actors
from fedsilo.core import Method, RoundRecord
from fedsilo.core.errors import ClientError, ClientLost, NotFinite, ResourceError
from fedsilo.core.registry import find, names
from fedsilo.core.training_settings import Optimizer
from fedsilo.learners.coop import CoOpLearner
from fedsilo.methods.local import Local
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.client import ClientRules
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.job import Job, JobPart
from fedsilo.simulation.serial import SerialRuntime
from fedsilo_actors.client_actor import ClientActor
from fedsilo_actors.encoder import start_encoders
from fedsilo_actors.placement.reservation import WaitLimit, check_capacity, reserve
from fedsilo_actors.placement.resources import Resources, read_demands
from fedsilo_actors.runtime import RayRuntime, ray_runtime

pytestmark = pytest.mark.ray


NOT_FOR_CLIENTS = {
    *("torchvision", "torch._dynamo", "torch._inductor", "open_clip", "timm", "pandas", "sklearn", "scipy.optimize"),
    *("matplotlib", "opacus", "dp_accounting", "ot"),
}


METHODS: list[Method] = [PromptFL(context_length=3), Local(context_length=3)]


@pytest.fixture(scope="module")
def runtime() -> Iterator[RayRuntime]:
    section = Actors(pretend_gpus=2, object_store_mb=100, start_timeout_s=600, timeout_s=600)
    with ray_runtime(section) as started:
        yield started


def silent(part: str, record: RoundRecord) -> None:
    pass


def hashes(outcomes: dict[str, Outcome]) -> Any:
    return {name: (o.shared_sha256, o.private_sha256, o.scores) for name, o in outcomes.items()}


def serial(here: Any, folder: Path, method: Method) -> dict[str, Outcome]:
    folder.mkdir()
    return SerialRuntime().run(here.job(folder, method), here.prepared(), here.rules, silent)


@dataclass
class Ended:
    """What a job of both methods left, and what was seen of its actors after each round."""

    world: Any
    rules: ClientRules
    job: Callable[[Path], Job]
    outcomes: dict[str, Outcome]
    seen: list[tuple[str, int]]
    imported: set[str]
    devices: list[str]

    def serially(self, folder: Path, rules: ClientRules) -> Any:
        return hashes(SerialRuntime().run(self.job(folder), self.world.prepared(), rules, silent))


@pytest.fixture(scope="module")
def ended(runtime: RayRuntime, world: Any, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One job for the tests below: two methods, the second with a training of its own, on shares of pretended GPUs."""
    here, (method, reference) = world(participation=0.7), METHODS
    own = replace(here.rules.training, local_epochs=2, optimizer=Optimizer(learning_rate=0.02))
    rules = replace(here.rules, own_training=((reference, own),))

    def job(folder: Path) -> Job:
        folder.mkdir()
        plans = {"promptfl": here.plan(method), "local": here.plan(reference, training=own)}
        return Job(folder, tuple(JobPart(name, folder / name, plan) for name, plan in plans.items()), 2)

    kept = Ended(here, rules, job, {}, [], set(), [])

    def look(part: str, record: RoundRecord) -> None:
        kept.seen.append((part, record.round))
        actors = [ray.get_actor(f"ray client {number:02d}") for number in range(3)]
        # A function of this module would have the actor import the module, and all that is imported here.
        kept.imported.update(ray.get(actors[0].__ray_call__.remote(lambda self: sorted(sys.modules))))
        on = [
            actor.__ray_call__.remote(lambda self: self._clients._clients[self._place.host.clients[0]]._model.device)
            for actor in actors
        ]
        kept.devices.extend(ray.get(on))

    section = Actors(pretend_gpus=2, gpus_per_client=0.5, start_timeout_s=600, timeout_s=600)
    folder = tmp_path_factory.mktemp("both") / "ray"
    kept.outcomes = RayRuntime(section).run(job(folder), here.prepared(), rules, look)
    return kept


def test_ray_and_serial_runs_are_identical(ended: Ended, tmp_path: Path) -> None:
    assert hashes(ended.outcomes) == ended.serially(tmp_path / "serial", ended.rules)
    assert ended.seen == [(part, round) for part in ("promptfl", "local") for round in range(3)]
    assert not [actor for actor in ray.util.list_named_actors(all_namespaces=True) if "client" in actor["name"]]


def test_a_client_process_imports_what_it_computes_with_and_no_more(ended: Ended) -> None:
    assert "torch" in ended.imported
    assert NOT_FOR_CLIENTS & ended.imported == set()


def test_a_reference_with_a_training_of_its_own_is_trained_so(ended: Ended, tmp_path: Path) -> None:
    """Clients learn from their rules how each method of a job is trained, the coordinator from its plan."""
    usual = ended.serially(tmp_path / "usual", ended.world.rules)
    assert {name: found == usual[name] for name, found in hashes(ended.outcomes).items()} == {
        "promptfl": True,
        "local": False,
    }


def test_clients_with_pretended_gpus_compute_on_the_cpu(ended: Ended) -> None:
    assert ended.devices == ["cpu"] * 3 * len(ended.seen)


@pytest.mark.slow
def test_every_method_gives_on_ray_what_it_gives_serially(runtime: RayRuntime, world: Any, tmp_path: Path) -> None:
    """One job of all of them, one after the other on the same actors, the ones with gradients per batch in that way."""
    here = world(rounds=2, participation=0.7)

    def job(folder: Path) -> Job:
        folder.mkdir()
        return Job(folder, tuple(JobPart(name, folder / name, here.plan(every[name])) for name in every), 2)

    every = {name: small(name) for name in names(Method)}
    on_ray = runtime.run(job(tmp_path / "ray"), here.prepared(), here.rules, silent)
    serially = SerialRuntime().run(job(tmp_path / "serial"), here.prepared(), here.rules, silent)
    found, expected = hashes(on_ray), hashes(serially)
    assert [name for name in every if found[name] != expected[name]] == []
    assert len({outcome.scores[-1]["loss"] for outcome in on_ray.values()}) > len(every) / 2


def small(name: str) -> Any:
    cls: Any = find(Method, name)
    keys = {"context_length": 3, "rank": 2, "learner": CoOpLearner(context_length=3)}
    return cls(**{key: value for key, value in keys.items() if key in cls.__dataclass_fields__})


def test_clients_killed_all_at_once_come_back_and_change_no_bit(
    runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    """One of several: in test_packed_runs and test_chaos_runs."""
    here, folder, method = world(clients=2, rounds=3), tmp_path / "ray", Local(context_length=3)
    folder.mkdir()
    gate = tmp_path / "killed"

    class Gated(ClientActor):
        """Writes down its process, and does not begin round 2 before the clients were killed."""

        def train(self, tasks: Any) -> Any:
            for number, task in tasks.items():  # an actor that waits below could not be asked
                if task.round == 0:
                    (tmp_path / f"{number}.pid").write_text(str(os.getpid()))
            while not gate.exists() and any(task.round >= 2 for task in tasks.values()):
                time.sleep(0.02)
            return super().train(tasks)

    patient = RayRuntime(Actors(start_timeout_s=600, timeout_s=600))
    patient.host = Gated  # type: ignore[misc]

    def kill(part: str, record: RoundRecord) -> None:
        if record.round == 1:
            for number in range(2):
                os.kill(int((tmp_path / f"{number}.pid").read_text()), signal.SIGKILL)
            gate.touch()

    outcomes = patient.run(here.job(folder, method, retries=1), here.prepared(), here.rules, kill)
    assert any("tried again" in notice for notice in outcomes["method"].notices)
    assert hashes(outcomes) == hashes(serial(here, tmp_path / "serial", method))


def test_a_fault_in_a_client_names_it_and_ends_the_run(runtime: RayRuntime, world: Any, tmp_path: Path) -> None:
    here = world(clients=2, optimizer=Optimizer(learning_rate=1e30))
    with pytest.raises(ClientError, match=r"client 0, round 0, exchange 0, stage 'train': the loss is nan") as caught:
        runtime.run(here.job(tmp_path, METHODS[0]), here.prepared(), here.rules, silent)
    assert not isinstance(caught.value, ClientLost)
    assert (caught.value.client, caught.value.round) == (0, 0)


def test_a_server_step_that_is_not_finite_says_the_same_as_serially(
    runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    here = world(clients=1, optimizer=Optimizer(learning_rate=3e38))
    method = PromptFL(context_length=3, synchronise="batch")
    (tmp_path / "ray").mkdir()
    with pytest.raises(NotFinite) as caught:
        runtime.run(here.job(tmp_path / "ray", method), here.prepared(), here.rules, silent)
    with pytest.raises(NotFinite) as expected:
        serial(here, tmp_path / "serial", method)
    assert str(caught.value) == str(expected.value)
    assert str(caught.value).startswith("coordinator, round 0, exchange 0: in the shared state after the server's step")
    assert not list((tmp_path / "ray" / "checkpoints").glob("*"))


def test_a_silent_client_is_given_up_within_the_time_limit(
    runtime: RayRuntime, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "fedsilo_actors.recovery.coordinator_restart.PATIENCE_S", 600.0
    )  # only the client has to be quick
    here = world(clients=1, local_epochs=10**9)
    impatient = RayRuntime(Actors(start_timeout_s=600, timeout_s=2))
    with pytest.raises(ClientLost, match=r"no answer within 2 s .* actors.timeout_s"):
        impatient.run(here.job(tmp_path, METHODS[0], retries=0), here.prepared(), here.rules, silent)


def where(asked: list[Resources]) -> list[str]:
    """Starts an actor per demand and returns the GPU each was given."""

    class Probe:
        def gpu(self) -> str:
            return os.environ["CUDA_VISIBLE_DEVICES"]

    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = reserve(asked, WaitLimit(600))
    assert group is not None
    actors = [
        ray.remote(num_gpus=demand.gpus, num_cpus=demand.cpus)(Probe)
        .options(scheduling_strategy=PlacementGroupSchedulingStrategy(group, number))
        .remote()
        for number, demand in enumerate(asked)
    ]
    try:
        return ray.get([actor.gpu.remote() for actor in actors])
    finally:
        for actor in actors:
            ray.kill(actor)
        remove_placement_group(group)


def test_encoders_have_gpus_of_their_own_and_give_them_back_to_the_clients(runtime: RayRuntime) -> None:
    def given(self: Any) -> list[int]:
        return ray.get_gpu_ids()

    with start_encoders(Actors(start_timeout_s=600), 2, 1.0) as actors:
        gpus = ray.get([actor.__ray_call__.remote(given) for actor in actors])
        with (
            pytest.raises(ResourceError, match="2 encoders were not placed within"),
            start_encoders(Actors(start_timeout_s=0.5), 2, 0.5),
        ):
            pass
    assert Counter(gpu for own in gpus for gpu in own) == {0: 1, 1: 1}
    group = reserve([Resources(1.0, 0)] * 2, WaitLimit(600))
    assert group is not None
    remove_placement_group(group)


def test_only_a_cluster_of_one_machine_reads_the_drivers_files(
    runtime: RayRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runtime.one_machine()
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True}, {"Alive": False}])  # Ray remembers those that left
    assert runtime.one_machine()
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True}, {"Alive": True}])
    assert not runtime.one_machine()


def test_eight_quarters_land_four_and_four(runtime: RayRuntime) -> None:
    asked = read_demands(Actors(gpus_per_client=0.25), [""] * 8)
    assert Counter(where(asked)) == {"0": 4, "1": 4}


def test_nine_quarters_are_refused_with_what_is_asked_and_what_there_is(runtime: RayRuntime) -> None:
    with pytest.raises(ResourceError, match=r"9 client actors ask for 9 x 0.25 GPU = 2.25, which takes 3 .* has 2"):
        check_capacity(read_demands(Actors(gpus_per_client=0.25), [""] * 9))


def test_fractions_are_counted_as_they_are_packed(runtime: RayRuntime) -> None:
    check_capacity([Resources(0.5, 0), Resources(0.3, 0), Resources(0.7, 0), Resources(0.5, 0)])
    with pytest.raises(ResourceError, match="takes 3 whole GPUs"):
        check_capacity([Resources(0.6, 0)] * 3)


def test_more_cpus_than_there_are_is_refused_at_once(runtime: RayRuntime) -> None:
    with pytest.raises(ResourceError, match="3 client actors ask for 3000 CPU"):
        check_capacity([Resources(0, 1000)] * 3)


def test_more_processes_than_memory_holds_are_refused_before_any_is_started(runtime: RayRuntime) -> None:
    with pytest.raises(ResourceError, match=r"10000 client processes take about 3320 GiB .* actors.backend=serial"):
        check_capacity(read_demands(Actors(), [""] * 10_000))


def test_a_reservation_that_is_not_met_in_time_is_given_back(runtime: RayRuntime) -> None:
    first = reserve([Resources(1.0, 0)] * 2, WaitLimit(600))
    assert first is not None
    with pytest.raises(ResourceError, match="not placed within 1 s"):
        reserve([Resources(1.0, 0)], WaitLimit(1))
    remove_placement_group(first)
    again = reserve([Resources(1.0, 0)] * 2, WaitLimit(600))
    assert again is not None
    remove_placement_group(again)
