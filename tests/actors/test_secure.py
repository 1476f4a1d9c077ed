"""Secure aggregation between real processes: clients killed at every stage, and what the coordinator gets to see.

That masked sums and shares of noise are, without faults, those of a serial run: test_packed_runs.
"""

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

from fedsilo.aggregation.secagg.encoding import read_kind
from fedsilo.aggregation.secagg.protocol_messages import Mailbox, Masked, Opening, Roster, Survivors
from fedsilo.aggregation.secure import Secure
from fedsilo.config.sections import Actors
from fedsilo.core import ClientTask, Mechanism, Method, RoundRecord
from fedsilo.core.errors import ProtocolViolation, RoundAborted
from fedsilo.methods.fedper import FedPer
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.job import Job, JobPart
from fedsilo.simulation.serial import SerialBackend
from fedsilo_actors.client_actor import WorkerInit
from fedsilo_actors.placement.packing import pack
from fedsilo_actors.placement.resources import Resources
from fedsilo_actors.ray_backend import RayBackend
from fedsilo_actors.recovery.client_starter import ClientStarter
from fedsilo_actors.runtime import RayRuntime, ray_runtime

pytestmark = pytest.mark.ray
CLIENTS, METHOD = 5, FedPer(context_length=3)
HEARD = {Opening.kind: "advertise", Roster.kind: "share", Mailbox.kind: "prepare", Survivors.kind: "unmask"}
STAGES = ("advertise", "share", "prepare", "mask", "unmask")
TOGETHER, PER_ACTOR = 7, 2
STRIKES = {
    0: ("advertise", (0, 1)),
    1: ("share", (6,)),
    2: ("prepare", (4, 5)),
    3: ("mask", (2, 3)),
    4: ("unmask", (6,)),
    5: ("share", (4, 5)),
}
"""By round, the stage from which on the clients of one actor, two or one alone, are not heard."""

HANGING = 5
"""The round in which they are silent; in the others they are killed."""


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
    """From a stage of a round on, clients are not heard any more; they are others then, as from an actor."""

    def __init__(self, here: Any, method: Method) -> None:
        super().__init__(here.clients(method))
        self.here = here

    def missing(self, round: int, stage: str) -> set[int]:
        begins, clients = STRIKES.get(round, (stage, ()))
        return set(clients) if STAGES.index(begins) <= STAGES.index(stage) else set()

    def restart(self, method: Method, mechanism: Mechanism) -> set[int]:
        back = self.missing(self.round, STAGES[-1])
        for client in back:
            self._clients[client] = self.here.clients(method)[client]
        return back


class Striking(Recording, RayBackend):
    """Before the same stages, once, the process of these clients is killed, or is busy for ever: not dead, only silent.

    Where it is silent the limit is short. Else it is never met, so a loaded machine loses no other client.
    """

    struck: frozenset[int] = frozenset()

    def answer(self, messages: Mapping[int, bytes], timeout_s: float) -> dict[int, bytes]:
        silent = self.round == HANGING and HEARD[read_kind(next(iter(messages.values())))] == STRIKES[HANGING][0]
        return super().answer(messages, 15 if silent else 600)

    def missing(self, round: int, stage: str) -> set[int]:
        begins, clients = STRIKES.get(round, ("", ()))
        if stage == begins and round not in self.struck:
            self.struck |= {round}
            (actor,) = (a for a, host in zip(self._actors, self._hosts, strict=True) if host.clients == clients)
            call = actor.__ray_call__.options(concurrency_group="protocol")
            if round == HANGING:
                call.remote(_sleep)
            else:
                os.kill(ray.get(call.remote(_pid)), signal.SIGKILL)
        return set()


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
def test_actors_killed_at_every_stage_and_a_silent_one_leave_a_sum_that_is_exact_over_the_others(
    runtime: RayRuntime, world: Any, tmp_path: Path
) -> None:
    """As the same clients dropping out of a serial run, which `tests/aggregation` holds against a sum by hand.

    Those that die when their update is in the sum already count, and go on from the last checkpoint. In the last round
    all are there again.
    """
    here = world(clients=TOGETHER, rounds=len(STRIKES) + 1)
    with backend_of(Striking, runtime, here, PER_ACTOR) as backend:
        outcome = job_of(here, tmp_path / "ray", aggregation=Secure()).run(backend, silent)["method"]
    serial = job_of(here, tmp_path / "serial", aggregation=Secure())
    expected = serial.run(Dropping(here, METHOD), silent)["method"]
    assert bits(outcome) == bits(expected)
    assert [record["dropped"] for record in outcome.records] == [[0, 1], [6], [4, 5], [2, 3], [], [4, 5], []]
    assert backend.struck == set(STRIKES)
    masked = [message for message in backend.seen if read_kind(message) == Masked.kind]
    assert masked
    words = np.concatenate([Masked.from_bytes(message).vector for message in masked])
    assert abs(float(np.mean(words >= 2**31)) - 0.5) < 5 * 0.5 / np.sqrt(len(words))


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
    with backend_of(GarblingOnRay, runtime, here, 3) as backend:
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
    packed = RayRuntime(Actors(start_timeout_s=600, timeout_s=600, clients_per_actor=CLIENTS))
    with pytest.raises(ProtocolViolation, match="honest 4; its own mechanism and aggregation give") as caught:
        packed.run(job, here.prepared(), here.rules, silent)
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
