"""Single examples of learners of compositions: gradients one by one, the ledger, refusals, and masked sums."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fedsilo.aggregation.modular import Modular
from fedsilo.aggregation.secure import Secure
from fedsilo.core.batch import Batch
from fedsilo.learners.csp import CSPLearner
from fedsilo.learners.dfsp import DFSPLearner
from fedsilo.learners.troika import TroikaLearner
from fedsilo.learners.vp_cmjl import VPCMJLLearner
from fedsilo.methods.composed import Composed
from fedsilo.privacy.mechanisms.rigorous import Rigorous
from fedsilo.storage.run_folder import read_lines
from fedsilo.strategies.fedavg import FedAvgStrategy
from fedsilo.training.per_example.example_gradients import choose_way
from fedsilo.training.per_example.reference_loop import loop_over_examples
from fedsilo.training.per_example.vmap_gradients import vmap_over_examples

SEPARABLE = [
    CSPLearner(dropout=0.0),
    DFSPLearner(dropout=0.0),
    VPCMJLLearner(adapter_width=3, adapter_dropout=0.0, dropout=0.0, visual_decomposition="ca"),
    VPCMJLLearner(adapters=False, prototypes="text", dropout=0.0),
]
NAMED = {"ids": ("csp", "dfsp", "vp_cmjl", "vp_cmjl text")}


@pytest.mark.parametrize("learner", SEPARABLE, **NAMED)
def test_gradients_of_single_examples_are_those_of_each_alone_and_their_mean_is_the_batch_s(
    world: Any, learner: Any
) -> None:
    here, method = world(batch_size=6), Composed(learner)
    assert method.separable
    work = here.work(method)
    loss, batch = method.loss(work), work.batch(0)
    assert choose_way(loss, batch) is vmap_over_examples
    losses, found = vmap_over_examples(loss, loss.leaves, batch)
    alone, expected = loop_over_examples(loss, loss.leaves, batch)
    torch.testing.assert_close(losses, alone, rtol=1e-5, atol=1e-5)
    leaves = {name: leaf.clone().requires_grad_() for name, leaf in loss.leaves.items()}
    whole = torch.autograd.grad(loss(leaves, batch), list(leaves.values()))
    for (name, gradients), mean in zip(found.items(), whole, strict=True):
        scale = 1e-5 * float(expected[name].abs().max()) + 1e-7
        torch.testing.assert_close(gradients, expected[name], rtol=1e-4, atol=10 * scale, msg=lambda t, n=name: n + t)
        torch.testing.assert_close(gradients.mean(dim=0), mean, rtol=1e-4, atol=10 * scale, msg=lambda t, n=name: n + t)


def test_dropout_is_drawn_alike_for_all_examples(world: Any) -> None:
    method = Composed(CSPLearner(dropout=0.5))
    work = world(batch_size=6).work(method)
    batch = work.batch(0)
    twice = Batch({n: c[[0, 0]] for n, c in batch.inputs.items()}, {n: c[[0, 0]] for n, c in batch.targets.items()})
    loss = method.loss(work)
    _, found = vmap_over_examples(loss, loss.leaves, twice)
    assert torch.equal(found["table"][0], found["table"][1])


def test_a_protected_run_charges_the_ledger(world: Any, tmp_path: Path) -> None:
    here = world(rounds=1, clients=2, mechanism=Rigorous(unit="example", noise_multiplier=1.0, clip_norm=1.0))
    learner = VPCMJLLearner(adapters=False, visual_decomposition="ca")
    method = Composed(learner, FedAvgStrategy(synchronise="batch"))
    outcome = here.federate(method, tmp_path / "run")
    lines = read_lines(tmp_path / "run" / "ledger.jsonl")
    assert len(lines) == 3, "an exchange for each batch of the client with the most"
    assert outcome.epsilon is not None
    assert outcome.epsilon > 0


@pytest.mark.parametrize("learner", [TroikaLearner(), VPCMJLLearner(), CSPLearner(loss_over="own")])
def test_what_mixes_examples_says_so(learner: Any) -> None:
    method = Composed(learner)
    assert not method.separable
    assert "unit 'client'" in method.entangled
    assert ("disentanglers" in method.entangled) == bool(learner.batch_norms)
    assert ("loss_over: all" in method.entangled) == (learner.loss_over == "own")


@pytest.mark.parametrize("learner", [VPCMJLLearner(adapter_width=3), TroikaLearner(adapters=False)])
def test_masks_change_no_bit(world: Any, tmp_path: Path, learner: Any) -> None:
    here, found = world(rounds=2, batch_size=16), []
    for kind in (Secure, Modular):
        masked = replace(here, rules=replace(here.rules, aggregation=kind()))
        found.append(masked.federate(Composed(learner), tmp_path / kind.__name__))
    assert found[0].shared_sha256 == found[1].shared_sha256
    assert found[0].scores == found[1].scores
