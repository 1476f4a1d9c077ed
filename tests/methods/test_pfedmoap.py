"""pFedMoAP: whose contexts a client receives, the gate's mixture, its limits, and what stays at home."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from fedsilo.backends.serial import SerialBackend
from fedsilo.checkpoints import Checkpoints
from fedsilo.core import ClientTask
from fedsilo.errors import BackboneError
from fedsilo.learning.training import ServerWork
from fedsilo.methods.local import Local
from fedsilo.methods.pfedmoap import EXPERTS, OWN, PFedMoAP
from fedsilo.methods.promptfl import PromptFL
from fedsilo.records import Journals, read_lines
from fedsilo.rounds.federation import Federation
from fedsilo.rounds.plan import Outcome
from fedsilo.state import to_arrays

METHOD = PFedMoAP(context_length=3)


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
    method = PFedMoAP(context_length=3, experts=2)
    received = method.download(pool(0.0, 5.0, 1.0, -2.0), 0)
    assert set(received) == {"context", EXPERTS}
    assert received[EXPERTS][:, 0, 0].tolist() == [1.0, -2.0]
    assert METHOD.download(pool(0.0, 5.0, 1.0, -2.0), 1)[EXPERTS][:, 0, 0].tolist() == [1.0, 0.0, -2.0]


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


def test_a_score_is_the_mixtures_plus_lambda_times_the_own_texts(toy_model: Any) -> None:
    """By torch's attention, one image and one class at a time, at half the joint width."""
    method = PFedMoAP(context_length=3, gate_width=4, heads=2, local_weight=0.3)
    generator = torch.Generator().manual_seed(5)
    contexts = [0.5 * torch.randn(3, 16, generator=generator) for _ in range(3)]
    start = method.initial_private(toy_model, 0, 0)
    gate = {name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator) for name, tensor in start.items()}
    pooled = torch.randn(2, 8, generator=generator)
    shared = {"context": torch.zeros(3, 16), EXPERTS: torch.stack(contexts[1:])}
    found = method.predictor(toy_model, shared, {**gate, OWN: contexts[0]})(pooled, None)

    module = torch.nn.MultiheadAttention(4, 2)
    weights = torch.cat([gate[f"gate.{part}.weight"] for part in ("query", "key", "value")])
    biases = torch.cat([gate["gate.query.bias"], torch.zeros(4), gate["gate.value.bias"]])
    module.load_state_dict(
        {
            "in_proj_weight": weights,
            "in_proj_bias": biases,
            "out_proj.weight": gate["gate.out.weight"],
            "out_proj.bias": gate["gate.out.bias"],
        }
    )
    texts = torch.stack([toy_model.text_features(context) for context in contexts])
    images = normalize(pooled, dim=-1)
    for b in range(2):
        query = images[b].view(4, 2).mean(dim=1)
        for k in range(5):
            keys = texts[:, k].view(3, 4, 2).mean(dim=2)
            mixed, _ = module(query[None], keys, keys, need_weights=False)
            similarity = cosine_similarity(query, mixed[0].detach(), dim=0)
            expected = toy_model.scale * (similarity + 0.3 * images[b] @ texts[0, k])
            assert float(found[b, k]) == pytest.approx(float(expected), abs=1e-4)


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


def test_from_the_second_round_a_client_goes_on_from_its_own_context_and_trains_the_gate(world: Any) -> None:
    here = world()
    client, initial = here.clients(METHOD)[0], here.plan(METHOD).initial
    own = torch.tensor(client.train(ClientTask(0, 0, initial)).tensors["context"])
    gate = {name: client._private[name] for name in METHOD.learns}
    received = METHOD.download({**pool(0.1, 0.2), "last_context/0000": own}, 0)
    work = client._work(to_arrays(received), 1, 0)
    assert torch.equal(METHOD.parameters(work)["context"], own)
    client.train(ClientTask(1, 0, to_arrays(received)))
    assert not torch.equal(client._private[OWN], own)
    assert all(not torch.equal(client._private[name], gate[name]) for name in METHOD.learns)


def test_the_gate_steps_by_its_own_rate(world: Any) -> None:
    """One plain SGD step: five times the factor moves the gate five times as far, and the context as before."""
    here = world(batch_size=100)
    optimizer = replace(here.rules.training.optimizer, momentum=0.0, weight_decay=0.0, learning_rate=0.01)
    here = replace(here, rules=replace(here.rules, training=replace(here.rules.training, optimizer=optimizer)))
    moves = []
    for factor in (1.0, 5.0):
        method = replace(METHOD, gate_learning_rate_factor=factor)
        client = here.clients(method)[0]
        before = client._private
        received = to_arrays({"context": torch.zeros(3, 16), EXPERTS: 0.3 * torch.ones(2, 3, 16)})
        client.train(ClientTask(0, 0, received))
        moves.append((client._private["gate.out.weight"] - before["gate.out.weight"], client._private[OWN]))
    torch.testing.assert_close(moves[1][0], 5 * moves[0][0], rtol=1e-3, atol=1e-6)
    assert float(moves[0][0].abs().max()) > 1e-4
    assert torch.equal(moves[0][1], moves[1][1])


def test_contexts_cross_and_the_gate_stays(world: Any, tmp_path: Path) -> None:
    federate(world(rounds=2), METHOD, tmp_path / "run")
    lines = read_lines(tmp_path / "run" / "wire.jsonl")
    assert {name for line in lines if line["direction"] == "up" for name in line["tensors"]} == {"context"}
    down = [line["tensors"] for line in lines if line["direction"] == "down"]
    assert all(set(tensors) == {"context", EXPERTS} for tensors in down)
    # Before and in round 0 there are no experts; then both others'.
    assert [tensors[EXPERTS][0] for tensors in down] == [[0, 3, 16], [2, 3, 16], [2, 3, 16], [2, 3, 16]]


def test_impossible_values_are_named(toy_model: Any) -> None:
    assert METHOD.problems() == []
    assert PFedMoAP(heads=3).problems() == ["heads: 3 do not divide gate_width 128. Choose a divisor of it."]
    assert PFedMoAP(synchronise="batch").problems()[0].startswith("synchronise: ")
    with pytest.raises(BackboneError, match="16 heads do not divide the joint width 8"):
        PFedMoAP(heads=16).initial_private(toy_model, 0, 0)


def test_class_specific_contexts_are_exchanged_alike(world: Any, tmp_path: Path) -> None:
    outcome, _ = federate(world(rounds=2), PFedMoAP(context_length=2, class_specific=True), tmp_path / "run")
    assert np.isfinite([float(str(record["loss"])) for record in outcome.records]).all()
