"""A client that is asked for less protection than it agreed to sends nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.plain import Plain
from fedsilo.aggregation.secagg.encoding import read_kind
from fedsilo.aggregation.secagg.parameters import Parameters
from fedsilo.aggregation.secagg.protocol_messages import Opening, Refusal
from fedsilo.aggregation.secure import Secure
from fedsilo.core import ClientTask, Exchange, Method
from fedsilo.core.errors import ProtocolViolation
from fedsilo.core.state import sha256, to_tensors
from fedsilo.methods.fedper import FedPer
from fedsilo.methods.zero_shot import ZeroShot
from fedsilo.privacy.mechanisms.central import Central
from fedsilo.privacy.mechanisms.distributed import Distributed
from fedsilo.privacy.mechanisms.local import LocalNoise
from fedsilo.privacy.mechanisms.none import NoMechanism
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals

CLIENTS, METHOD = 6, FedPer(context_length=3)
SHARES, SECURE = Distributed(noise_multiplier=1.0, clip_norm=0.5), Secure()


def asked(here: Any, method: Method = METHOD) -> ClientTask:
    """What a coordinator that keeps to the scenario asks of client 0."""
    plan = here.plan(method)
    known = to_tensors({name: plan.initial[name] for name in method.uploads})
    tasks = {client: ClientTask(0, 0, plan.initial) for client in range(CLIENTS)}
    uniform = plan.mechanism.uniform or method.uniform
    exchange = Exchange(tasks, None, known, uniform, max(plan.sizes), plan.mechanism, lambda charged: None)  # type: ignore[arg-type]
    return plan.aggregation.encode_tasks(exchange)[1][0]


def refuses(client: Any, call: Any, task: ClientTask, *facts: str) -> None:
    before = sha256(client._private)
    with pytest.raises(ProtocolViolation) as caught:
        call(task)
    assert (caught.value.reason, caught.value.client) == ("weak protection", client.number)
    assert all(fact in str(caught.value) for fact in facts), str(caught.value)
    assert sha256(client._private) == before, "it has not even learnt"
    assert read_kind(client.masked()) == Refusal.kind, "there is nothing to mask"


WEAKER = {
    "no share": {"share": 0.0},
    "half a share": {"share": 300.0},
    "no noise said": {"share": 0.0, "honest": 0, "deviation": 0.0},
    "for more honest ones": {"honest": 6},
    "the loss": {"tells_loss": True},
    "a wider clip": {"bound": 5.0},
    "no cut": {"clamp": False},
    "by examples": {"uniform": False},
    "noise that is known": {"seeded": True},
    "more clients than there are": {"clients": 7},
    "weights above one": {"largest": 1},
    "no clients": {"clients": 0},
}


@pytest.mark.parametrize("change", WEAKER.values(), ids=WEAKER)
def test_an_encoding_that_is_not_its_own_is_refused(world: Any, change: dict[str, Any]) -> None:
    system = replace(SHARES, randomness="system")
    here = world(clients=CLIENTS, mechanism=system, aggregation=SECURE)
    task, client = asked(here), here.clients(METHOD)[0]
    weak = replace(task, encoding=replace(task.encoding, **change))  # type: ignore[type-var]
    bounded = {"clients", "largest"} & set(change)  # these are compared with what there is, not with an encoding
    refuses(client, client.learn, weak, *(f"{name} {value}" for name, value in change.items() if not bounded))


def test_an_encoding_that_is_its_own_is_followed(world: Any) -> None:
    for mechanism in (SHARES, LocalNoise(noise_multiplier=1.0), Central(noise_multiplier=1.0), NoMechanism()):
        here = world(clients=CLIENTS, mechanism=mechanism, aggregation=SECURE)
        client = here.clients(METHOD)[0]
        client.learn(asked(here))


@pytest.mark.parametrize("mechanism", [SHARES, NoMechanism()])
def test_an_update_leaves_under_masks_or_not_at_all(world: Any, mechanism: Any) -> None:
    here = world(clients=CLIENTS, mechanism=mechanism, aggregation=SECURE)
    client, task = here.clients(METHOD)[0], asked(here)
    refuses(client, client.train, task, "without masks")
    refuses(client, client.train, replace(task, encoding=None), "without masks")
    refuses(client, client.learn, replace(task, encoding=None), "None")


def test_where_updates_are_sent_as_they_are_or_in_the_ring_they_are(world: Any) -> None:
    here = world(clients=CLIENTS, aggregation=Plain())
    plain, sent = here.clients(METHOD)[0], ClientTask(0, 0, here.plan(METHOD).initial)
    assert set(plain.train(sent).tensors) == set(METHOD.uploads)
    ring = world(clients=CLIENTS, aggregation=Modular())
    client, task = ring.clients(METHOD)[0], asked(ring)
    assert set(client.train(task).tensors) == {"modular"}
    refuses(client, client.train, replace(task, encoding=replace(task.encoding, tells_loss=False)), "tells_loss False")
    refuses(client, client.train, replace(task, encoding=None), "None", "agreed was")
    refuses(plain, plain.train, replace(sent, encoding=task.encoding), "agreed was None")


WEAKER_SUMS = {
    "a smaller threshold": Parameters(tuple(range(CLIENTS)), 4, 1),
    "fewer clients": Parameters(tuple(range(5)), 5, 1),
    "a stranger": Parameters((0, 1, 2, 3, 4, 6), 5, 1),
    "another graph": Parameters(tuple(range(CLIENTS)), 5, 1, 0, "neighbours", 5, 5),
}


@pytest.mark.parametrize("parameters", WEAKER_SUMS.values(), ids=WEAKER_SUMS)
@pytest.mark.parametrize("mechanism", [SHARES, NoMechanism()])
def test_a_sum_of_other_parameters_than_its_own_gets_no_vector(
    world: Any, mechanism: Any, parameters: Parameters
) -> None:
    here = world(clients=CLIENTS, mechanism=mechanism, aggregation=SECURE)
    client, task = here.clients(METHOD)[0], asked(here)
    client.learn(task)
    dim = task.encoding.dim({name: task.shared[name].shape for name in METHOD.uploads})  # type: ignore[union-attr]
    client.answer(Opening(b"run" + task.encoding.ending, replace(parameters, dim=dim)).to_bytes())  # type: ignore[union-attr]
    with pytest.raises(ProtocolViolation) as caught:
        client.masked()
    assert caught.value.reason == "parameters"
    assert read_kind(client.masked()) == Refusal.kind, "the vector is gone"


class Favouring(SerialBackend):
    """A coordinator that has client 0 weigh one and all others next to nothing, so that the sum is client 0's."""

    def learn(self, tasks: Mapping[int, ClientTask]) -> None:
        for client, task in tasks.items():
            assert task.encoding is not None
            largest = 10**12 if client else self._clients[0]._agreement.examples
            self._clients[client].learn(replace(task, encoding=replace(task.encoding, largest=largest)))


def test_clients_that_are_asked_for_different_weights_are_in_no_sum_together(world: Any) -> None:
    here = world(clients=CLIENTS, aggregation=SECURE)
    plan, backend = here.plan(METHOD), Favouring(here.clients(METHOD))
    tasks = {client: ClientTask(0, 0, plan.initial) for client in range(CLIENTS)}
    known = to_tensors({name: plan.initial[name] for name in METHOD.uploads})
    with pytest.raises(ProtocolViolation, match=r"a sum called .*largest") as caught:
        SECURE.gather(Exchange(tasks, backend, known, False, max(plan.sizes), NoMechanism(), lambda charged: None))
    assert caught.value.reason == "parameters"


def test_a_coordinator_with_another_scenario_ends_the_run_in_one_line(world: Any, tmp_path: Any) -> None:
    """The whole way: a federation that assumes more honest clients than the clients agreed to."""
    here = world(clients=CLIENTS, mechanism=SHARES, aggregation=SECURE)
    plan = here.plan(METHOD, aggregation=Secure(threshold=CLIENTS))
    backend = SerialBackend(here.clients(METHOD))
    with pytest.raises(ProtocolViolation, match="honest 5; its own mechanism and aggregation give") as caught:
        Federation(plan, backend, Journals(tmp_path), Checkpoints(tmp_path / "checkpoints", 2)).run(lambda record: None)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ledger.jsonl").exists()


def test_methods_that_send_nothing_are_asked_for_nothing(world: Any) -> None:
    here = world(clients=CLIENTS, aggregation=SECURE)
    client = here.clients(ZeroShot())[0]
    client.train(ClientTask(0, 0, here.plan(ZeroShot()).initial))
