"""pFedMoAP: whose contexts a client receives, where a round begins, and what stays at home."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedsilo.core import ClientTask
from fedsilo.core.round_work import ServerWork
from fedsilo.core.state import to_arrays
from fedsilo.learners.moap import EXPERTS
from fedsilo.methods.local import Local
from fedsilo.methods.pfedmoap import PFedMoAP
from fedsilo.methods.promptfl import PromptFL
from fedsilo.simulation.federation import Federation
from fedsilo.simulation.federation_plan import Outcome
from fedsilo.simulation.serial import SerialBackend
from fedsilo.storage.checkpoints import Checkpoints
from fedsilo.storage.run_folder import Journals, read_lines

METHOD = PFedMoAP(context_length=3)
OWN, GATE = "own_context", METHOD.learner.personal


def federate(here: Any, method: Any, folder: Path) -> tuple[Outcome, SerialBackend]:
    folder.mkdir()
    backend = SerialBackend(here.clients(method))
    federation = Federation(here.plan(method), backend, Journals(folder), Checkpoints(folder / "c", 2))
    return federation.run(lambda record: None), backend


def pool(*values: float) -> dict[str, torch.Tensor]:
    """Shared state in which client n last sent a context full of values[n]."""
    kept = {f"last_context/{n:04d}": torch.full((3, 16), value) for n, value in enumerate(values)}
    return {"context": torch.zeros(3, 16), **kept}


def test_a_client_receives_the_nearest_contexts_of_others() -> None:
    """`experts` counts the client's own, which is the nearest of all."""
    method = PFedMoAP(context_length=3, experts=3)
    received = method.download(pool(0.0, 5.0, 1.0, -2.0), 0)
    assert set(received) == {"context", EXPERTS}
    assert received[EXPERTS][:, 0, 0].tolist() == [1.0, -2.0]
    assert METHOD.download(pool(0.0, 5.0, 1.0, -2.0), 1)[EXPERTS][:, 0, 0].tolist() == [1.0, 0.0, -2.0]
    assert len(METHOD.download(pool(*range(12)), 3)[EXPERTS]) == 9
    assert len(PFedMoAP(context_length=3, experts=1).download(pool(0.0, 5.0), 0)[EXPERTS]) == 0


def test_clients_of_five_digits_are_experts_of_all() -> None:
    shared = {"context": torch.zeros(3, 16)}
    for client in (7, 1234, 9999, 10000, 12345, 20000):
        shared[f"last_context/{client:04d}"] = torch.full((3, 16), float(client))
    for client in (7, 10000, 12345, 20000):
        found = METHOD.download(shared, client)[EXPERTS][:, 0, 0].tolist()
        assert sorted([*found, client]) == [7, 1234, 9999, 10000, 12345, 20000]


def drawn(shared: dict[str, torch.Tensor], client: int) -> list[float]:
    method = PFedMoAP(context_length=3, experts=5, selection="random")
    values = method.download(shared, client)[EXPERTS][:, 0, 0].tolist()
    assert len(set(values)) == 4
    assert float(client) not in values
    return values


def test_random_experts_are_drawn_for_every_round_and_client() -> None:
    def at(round: int, seed: int = 7) -> dict[str, torch.Tensor]:
        return {**pool(*range(30)), "draw": torch.tensor([seed, round])}

    assert drawn(at(1), 0) == drawn(at(1), 0)
    assert len({tuple(drawn(at(1), client)) for client in range(30)}) > 25
    assert drawn(at(1), 0) != drawn(at(2), 0)
    assert drawn(at(1), 0) != drawn(at(1, seed=8), 0)
    met = {value for round in range(60) for value in drawn(at(round), 0)}
    assert met == set(map(float, range(1, 30)))


def test_the_server_moves_the_draw_of_random_experts_on(toy_model: Any) -> None:
    method = PFedMoAP(context_length=3, selection="random")
    shared = method.initial_shared(toy_model, 2**70)
    seed, round = shared["draw"].tolist()
    assert (seed, round) != (method.initial_shared(toy_model, 7)["draw"][0].item(), round)
    assert round == 0
    updates = {0: {"context": torch.ones(3, 16)}}
    work = ServerWork(shared, {"context": torch.ones(3, 16)}, updates, (1,), None, 4, 0)  # type: ignore[arg-type]
    assert method.server_step(work)["draw"].tolist() == [seed, 5]
    assert "draw" not in METHOD.initial_shared(toy_model, 7)


def test_a_run_with_random_experts_repeats(world: Any, tmp_path: Path) -> None:
    method = PFedMoAP(context_length=3, experts=2, selection="random")
    once, again, nearest = (
        federate(world(clients=4, rounds=3), each, tmp_path / str(n))[0].shared_sha256
        for n, each in enumerate((method, method, replace(method, selection="nearest")))
    )
    assert once == again != nearest


def test_who_never_sent_a_context_or_is_alone_receives_none() -> None:
    assert METHOD.download(pool(0.0, 5.0), 2)[EXPERTS].shape == (0, 3, 16)
    assert METHOD.download(pool(0.0), 0)[EXPERTS].shape == (0, 3, 16)


def test_the_server_keeps_everyones_last_context_and_the_mean(world: Any) -> None:
    updates = {2: {"context": torch.full((3, 16), 7.0)}}
    work = ServerWork(pool(1.0, 2.0, 3.0), {"context": torch.ones(3, 16)}, updates, (1, 1, 1), None, 1, 0)  # type: ignore[arg-type]
    after = METHOD.server_step(work)
    assert {name: float(tensor[0, 0]) for name, tensor in after.items()} == {
        "context": 1.0, "last_context/0000": 1.0, "last_context/0001": 2.0, "last_context/0002": 7.0,
    }  # fmt: skip


def test_the_first_round_is_promptfls(world: Any, tmp_path: Path) -> None:
    _, backend = federate(world(rounds=1), METHOD, tmp_path / "ours")
    federate(world(rounds=1), PromptFL(context_length=3), tmp_path / "theirs")
    shared, theirs = (
        Checkpoints(tmp_path / name / "c", 2).newest()[0].shared["context"]  # type: ignore[union-attr]
        for name in ("ours", "theirs")
    )
    assert torch.equal(shared, theirs)
    first = backend._clients[0]._private  # type: ignore[attr-defined]
    start = METHOD.initial_private(world().model, 0, 0)
    assert all(torch.equal(first[name], start[name]) for name in start)
    assert not torch.equal(first[OWN], shared)


def test_a_client_alone_is_local_coop(world: Any, tmp_path: Path) -> None:
    ours, _ = federate(world(clients=1, rounds=3), METHOD, tmp_path / "ours")
    theirs, _ = federate(world(clients=1, rounds=3), Local(context_length=3), tmp_path / "theirs")
    assert [line["loss"] for line in ours.scores] == [line["loss"] for line in theirs.scores]


@pytest.mark.parametrize("begin_from", ["mean", "own"])
def test_a_later_round_begins_from_the_mean_or_the_own_context_and_trains_the_gate(world: Any, begin_from: str) -> None:
    here, method = world(), replace(METHOD, begin_from=begin_from)
    client, initial = here.clients(method)[0], here.plan(method).initial
    own = torch.tensor(client.train(ClientTask(0, 0, initial)).tensors["context"])
    gate = {name: client._private[name] for name in GATE}
    received = METHOD.download({**pool(0.1, 0.2), "last_context/0000": own}, 0)
    work = client._work(to_arrays(received), 1, 0)
    assert torch.equal(
        method.strategy.start(method.local(work))["context"], own if begin_from == "own" else received["context"]
    )
    client.train(ClientTask(1, 0, to_arrays(received)))
    assert not torch.equal(client._private[OWN], own)
    assert all(not torch.equal(client._private[name], gate[name]) for name in GATE)


def test_contexts_cross_and_the_gate_stays(world: Any, tmp_path: Path) -> None:
    federate(world(rounds=2), METHOD, tmp_path / "run")
    lines = read_lines(tmp_path / "run" / "wire.jsonl")
    assert {name for line in lines if line["direction"] == "up" for name in line["tensors"]} == {"context"}
    down = [line["tensors"] for line in lines if line["direction"] == "down"]
    assert all(set(tensors) == {"context", EXPERTS} for tensors in down)
    # Before and in round 0 there are no experts; then both others'.
    assert [tensors[EXPERTS][0] for tensors in down] == [[0, 3, 16], [2, 3, 16], [2, 3, 16], [2, 3, 16]]


def test_class_specific_contexts_are_exchanged_alike(world: Any, tmp_path: Path) -> None:
    outcome, _ = federate(world(rounds=2), PFedMoAP(context_length=2, class_specific=True), tmp_path / "run")
    assert np.isfinite([float(str(record["loss"])) for record in outcome.records]).all()
