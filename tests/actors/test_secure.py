"""Secure aggregation between real processes: clients killed at every stage, and what the coordinator gets to see."""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.secagg.encoding import read_kind
from fedsilo.aggregation.secagg.protocol_messages import Mailbox, Masked, Opening, Roster, Survivors
from fedsilo.aggregation.secure import Secure
from fedsilo.config.sections import Actors
from fedsilo.core import ClientTask, Mechanism, Method, RoundRecord
from fedsilo.core.errors import ProtocolViolation, RoundAborted
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.fedper import FedPer
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.job import Job, JobPart
from fedsilo.simulation.serial import SerialBackend, SerialRuntime
from fedsilo.storage.run_folder import read_lines
from fedsilo_actors.client_actor import WorkerInit
from fedsilo_actors.placement.packing import pack
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.ray_backend import RayBackend
from fedsilo_actors.recovery.client_starter import ClientStarter
from fedsilo_actors.runtime import RayRuntime, ray_runtime

pytestmark = pytest.mark.ray
CLIENTS, METHOD = 5, FedPer(context_length=3)
TOGETHER, PER_ACTOR = 7, 2
HEARD = {Opening.kind: "advertise", Roster.kind: "share", Mailbox.kind: "prepare", Survivors.kind: "unmask"}
STAGES = ("advertise", "share", "prepare", "mask", "unmask")


@pytest.fixture(scope="module")
def runtime() -> Iterator[RayRuntime]:
    with ray_runtime(Actors(object_store_mb=100, start_timeout_s=600, timeout_s=600)) as started:
        yield started


class Recording:
    """Keeps all that comes back to the coordinator; `missing(round, stage)` is told before a stage's question."""

    def missing(self, round: int, stage: str) -> set[int]:
        return set()

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        self.round = next(iter(tasks.values())).round
        super().learn(tasks)  # type: ignore[misc]

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        stage = HEARD[read_kind(next(iter(messages.values())))]
        gone = self.missing(self.round, stage)
        answers: dict[int, bytes] = super().answer(messages, timeout_s)  # type: ignore[misc]
        self.seen: list[bytes] = [*getattr(self, "seen", []), *answers.values()]
        return {client: answer for client, answer in answers.items() if client not in gone}

    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        gone = self.missing(self.round, "mask")
        answers: dict[int, bytes] = super().masked(clients)  # type: ignore[misc]
        self.seen = [*getattr(self, "seen", []), *answers.values()]
        return {client: answer for client, answer in answers.items() if client not in gone}


class Dropping(Recording, SerialBackend):
    """In round r client r is not heard any more from the r-th stage on; it is another one then, as from an actor."""

    def __init__(self, here: Any, method: Method) -> None:
        super().__init__(here.clients(method))
        self.here = here

    def missing(self, round: int, stage: str) -> set[int]:
        return {round} if STAGES.index(stage) == round else set()

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        self._clients[self.round] = self.here.clients(method)[self.round]
        return {self.round}


class Killing(Recording, RayBackend):
    """In round r client r's process is killed before the r-th stage, once."""

    killed: frozenset[int] = frozenset()

    def missing(self, round: int, stage: str) -> set[int]:
        if STAGES.index(stage) == round and round not in self.killed:
            self.killed |= {round}
            actor = self._actors[round]
            os.kill(ray.get(actor.__ray_call__.options(concurrency_group="protocol").remote(_pid)), signal.SIGKILL)
        return set()


class Hanging(Recording, RayBackend):
    """In round 1 client 1 is busy for ever when the roster comes: not dead, only silent.

    At that stage alone the limit is short. At the others it is never met, so a loaded machine loses no other client.
    """

    hung = False

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        silent = HEARD[read_kind(next(iter(messages.values())))] == "share" and self.round == 1
        return super().answer(messages, 15 if silent else 600)

    def missing(self, round: int, stage: str) -> set[int]:
        if stage == "share" and round == 1 and not self.hung:
            self.hung = True
            self._actors[1].__ray_call__.options(concurrency_group="protocol").remote(_sleep)
        return set()


FALLING = {(1, "share"): (0, 1), (2, "unmask"): (4, 5)}
"""Clients of one actor that are not heard from a stage of a round on."""


class Falling(Recording, RayBackend):
    """Kills the process of several clients before a stage, once."""

    killed: frozenset[tuple[int, str]] = frozenset()

    def missing(self, round: int, stage: str) -> set[int]:
        clients = FALLING.get((round, stage))
        if clients and (round, stage) not in self.killed:
            self.killed |= {(round, stage)}
            (actor,) = (a for a, host in zip(self._actors, self._hosts, strict=True) if host.clients == clients)
            os.kill(ray.get(actor.__ray_call__.options(concurrency_group="protocol").remote(_pid)), signal.SIGKILL)
        return set()


class FallingSerially(Dropping):
    """The same clients are not heard any more, and are others then."""

    def missing(self, round: int, stage: str) -> set[int]:
        begun = [
            clients for (r, s), clients in FALLING.items() if r == round and STAGES.index(s) <= STAGES.index(stage)
        ]
        return {client for clients in begun for client in clients}

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        back = self.missing(self.round, STAGES[-1])
        for client in back:
            self._clients[client] = self.here.clients(method)[client]
        return back


def _pid(actor: Any) -> int:
    return os.getpid()


def _sleep(actor: Any) -> None:
    time.sleep(3600)


def job_of(here: Any, folder: Path, **plan: Any) -> Job:
    folder.mkdir()
    return Job(folder, (JobPart("method", folder, here.plan(METHOD, **plan)),), 2)


def bits(outcome: Outcome) -> Any:
    left_out = [(record["round"], record["dropped"]) for record in outcome.records]
    return outcome.shared_sha256, outcome.private_sha256, outcome.scores, left_out


def silent(part: str, record: RoundRecord) -> None:
    pass


@pytest.mark.slow
def test_secure_ring_and_serial_give_the_same_bits_and_the_view_has_no_update(
    runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    here = world(clients=CLIENTS, rounds=2)
    ring = SerialRuntime().run(
        job_of(here, tmp_path / "modular", aggregation=Modular()), here.prepared(), here.rules, silent
    )
    job = job_of(here, tmp_path / "secure", aggregation=Secure())
    secure = runtime.run(job, here.prepared(), here.rules, silent)
    assert bits(secure["method"]) == bits(ring["method"])
    up = [x for x in read_lines(tmp_path / "secure" / "wire.jsonl") if x["direction"] == "up" and x["stage"] == "train"]
    assert {line["message"] for line in up} == {"advertise", "shares", "masked", "unmask"}
    assert all("tensors" not in line and "scalars" not in line for line in up)


@pytest.mark.slow
def test_shares_of_noise_and_samples_are_the_same_on_ray(runtime: RayRuntime, world: Any, tmp_path: Path) -> None:
    """DP-FPL, every batch exchanged, with distributed noise: the bits and the ledger of a serial run."""
    mechanism = Distributed(unit="example", noise_multiplier=2.0)
    here, method = world(clients=CLIENTS, rounds=1, batch_size=16, mechanism=mechanism), DPFPL(context_length=3, rank=2)

    def job(name: str) -> Job:
        (tmp_path / name).mkdir()
        plan = here.plan(method, aggregation=Secure())
        return Job(tmp_path / name, (JobPart("method", tmp_path / name, plan),), 2)

    on_ray = runtime.run(job("ray"), here.prepared(), here.rules, silent)["method"]
    serial = SerialRuntime().run(job("serial"), here.prepared(), here.rules, silent)["method"]
    assert bits(on_ray) == bits(serial)
    assert on_ray.epsilon == serial.epsilon
    assert (tmp_path / "ray" / "ledger.jsonl").read_text() == (tmp_path / "serial" / "ledger.jsonl").read_text()


@contextmanager
def backend_of(kind: type[RayBackend], runtime: RayRuntime, here: Any, per_actor: int = 1) -> Iterator[Any]:
    """Yields a backend over real actors, driven from here."""
    prepared = here.prepared()
    held = [ray.put(part) for part in (prepared.warehouse, prepared.claims, prepared.model.pack())]
    supplies = WorkerInit(*held, here.rules)
    clients = len(prepared.claims)
    hosts = pack([Resources(0, 0)] * clients, [1] * clients, per_actor)
    hosting = ClientStarter(Actors(), "cpu", kind.__name__, ("",) * clients)
    actors = [hosting.start(host, None, number) for number, host in enumerate(hosts)]
    backend = kind(actors, hosts, supplies, 600, 600)
    try:
        backend.start()
        yield backend
    finally:
        backend.close()


@pytest.mark.slow
def test_a_silent_client_is_left_out_within_the_time_limit_and_is_there_again(
    runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    here = world(clients=CLIENTS, rounds=3)
    with backend_of(Hanging, runtime, here) as backend:
        outcome = job_of(here, tmp_path / "ray", aggregation=Secure()).run(backend, silent)["method"]
    assert [record["dropped"] for record in outcome.records] == [[], [1], []]


@pytest.fixture
def killed(runtime: RayRuntime, world: Any, tmp_path: Path) -> Iterator[tuple[Killing, Job, Any]]:
    """Yields a backend over real actors that kills one in every round, a job of as many rounds, and its world."""
    here = world(clients=CLIENTS, rounds=len(STAGES))
    with backend_of(Killing, runtime, here) as backend:
        yield backend, job_of(here, tmp_path / "ray", aggregation=Secure()), here


@pytest.mark.slow
def test_clients_killed_at_every_stage_leave_a_sum_that_is_exact_over_the_others(
    killed: tuple[Killing, Job, Any], tmp_path: Path
) -> None:
    """As the same clients dropping out of a serial run, which `tests/aggregation` holds against a sum by hand.

    The last one dies when its update is in the sum already: it counts, and it goes on from the last checkpoint.
    """
    backend, job, here = killed
    outcome = job.run(backend, silent)["method"]
    expected = job_of(here, tmp_path / "serial", aggregation=Secure()).run(Dropping(here, METHOD), silent)["method"]
    assert bits(outcome) == bits(expected)
    assert [record["dropped"] for record in outcome.records] == [[0], [1], [2], [3], []]
    masked = [message for message in backend.seen if read_kind(message) == Masked.kind]
    assert masked
    words = np.concatenate([Masked.from_bytes(message).vector for message in masked])
    assert abs(float(np.mean(words >= 2**31)) - 0.5) < 5 * 0.5 / np.sqrt(len(words))


@pytest.mark.slow
def test_a_killed_process_takes_all_its_clients_along_and_the_sum_is_exact_over_the_others(
    runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    here = world(clients=TOGETHER, rounds=4)
    with backend_of(Falling, runtime, here, PER_ACTOR) as backend:
        outcome = job_of(here, tmp_path / "ray", aggregation=Secure()).run(backend, silent)["method"]
    serial = job_of(here, tmp_path / "serial", aggregation=Secure())
    expected = serial.run(FallingSerially(here, METHOD), silent)["method"]
    assert bits(outcome) == bits(expected)
    assert [record["dropped"] for record in outcome.records] == [[], [0, 1], [], []]
    assert backend.killed == set(FALLING)


class Garbling:
    """Client 1 seals garbage in round 0, says garbage instead of a vector in round 1, and is there all the time."""

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        self.round = next(iter(tasks.values())).round
        super().learn(tasks)  # type: ignore[misc]

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        answers: dict[int, bytes] = super().answer(messages, timeout_s)  # type: ignore[misc]
        if self.round == 0 and read_kind(next(iter(messages.values()))) == Roster.kind and 1 in answers:
            answers[1] = b"garbage"
        return answers

    def masked(self, clients: Sequence[int]) -> dict[int, bytes]:
        answers: dict[int, bytes] = super().masked(clients)  # type: ignore[misc]
        return answers | ({1: b"garbage"} if self.round == 1 else {})


class GarblingOnRay(Garbling, RayBackend):
    """In actors."""


class GarblingSerially(Garbling, SerialBackend):
    """In this process."""


@pytest.mark.slow
def test_signing_clients_of_which_one_sends_garbage_give_the_same_bits_as_in_one_process(
    runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    for client in range(CLIENTS):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (keys / f"client-{client}.key").write_bytes(private)
        (keys / f"client-{client}.pub").write_bytes(public)
    secure = Secure(identities=str(keys))
    here = world(clients=CLIENTS, rounds=3, mechanism=Distributed(noise_multiplier=1.0), aggregation=secure)
    with backend_of(GarblingOnRay, runtime, here) as backend:
        on_ray = job_of(here, tmp_path / "ray").run(backend, silent)["method"]
    serial = job_of(here, tmp_path / "serial").run(GarblingSerially(here.clients(METHOD)), silent)["method"]
    assert bits(on_ray) == bits(serial)
    assert on_ray.notices == serial.notices
    assert [record["dropped"] for record in on_ray.records] == [[1], [1], []]


@pytest.mark.slow
def test_clients_refuse_a_coordinator_that_asks_for_less_noise_than_they_agreed_to(
    runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    here = world(clients=CLIENTS, mechanism=Distributed(noise_multiplier=1.0), aggregation=Secure())
    job = job_of(here, tmp_path / "weak", aggregation=Secure(threshold=CLIENTS))
    with pytest.raises(ProtocolViolation, match="honest 4; its own mechanism and aggregation give") as caught:
        runtime.run(job, here.prepared(), here.rules, silent)
    assert caught.value.reason == "weak protection"
    assert not (tmp_path / "weak" / "ledger.jsonl").exists()


def test_too_few_clients_end_the_round_with_what_was_there_and_what_is_needed(world: Any, tmp_path: Path) -> None:
    class Deaf(Dropping):
        def missing(self, round: int, stage: str) -> set[int]:
            return {0, 1} if stage == "share" else set()

        def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
            self.revived = getattr(self, "revived", 0) + 1
            return set()

    here = world(clients=CLIENTS)
    job, backend = job_of(here, tmp_path / "deaf", aggregation=Secure(), retries=2), Deaf(here, METHOD)
    with pytest.raises(RoundAborted, match="stage 'share': 3 clients are left, 4 are needed") as caught:
        job.run(backend, silent)
    assert (caught.value.stage, caught.value.have, caught.value.need) == ("share", 3, 4)
    assert backend.revived == 2
    assert not (tmp_path / "deaf" / "ledger.jsonl").exists()
