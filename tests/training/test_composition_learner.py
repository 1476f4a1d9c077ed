"""What learners of compositions share: what travels, own pairs, and words in the data that the model knows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fedsilo.learners.csp import CSPLearner
from fedsilo.learners.troika import TroikaLearner
from fedsilo.learners.vp_cmjl import VPCMJLLearner
from fedsilo.methods.composed import Composed
from fedsilo.methods.vp_cmjl import VPCMJL
from fedsilo.storage.run_folder import read_lines
from fedsilo.strategies.fedbn import FedBNStrategy

STATISTICS = {
    f"disentanglers.visual_{part}.norm.running_{kind}" for part in ("attribute", "object") for kind in ("mean", "var")
}


def test_parts_that_stay_are_not_on_the_wire_and_their_statistics_neither(world: Any, tmp_path: Path) -> None:
    method = VPCMJL(adapters=False, local_parts=("table", "disentanglers"))
    assert not method.problems()
    outcome = world(rounds=1, clients=2).federate(method, tmp_path / "run")
    sent = [set(line["tensors"]) for line in read_lines(tmp_path / "run" / "wire.jsonl") if line["tensors"]]
    assert {name.partition(".")[0] for names in sent for name in names} == {
        "contexts",
        "attention",
        "proxies",
        "composer",
    }
    assert all(names == sent[0] for names in sent)
    assert len(outcome.private_sha256) == 2


def test_statistics_travel_by_default_and_stay_under_fedbn(world: Any) -> None:
    here, learner = world(), VPCMJLLearner(adapters=False)
    assert set(learner.statistics) == STATISTICS
    assert set(Composed(learner).uploads) >= STATISTICS
    stays = Composed(learner, FedBNStrategy())
    assert not set(stays.uploads) & STATISTICS
    assert set(stays.initial_private(here.model, 0, 0)) >= STATISTICS


@pytest.mark.parametrize(("parts", "words"), [(("tabel",), "table, contexts"), (("table", "adapter"), "adapters")])
def test_an_unknown_part_is_refused_with_the_known_ones(parts: tuple[str, ...], words: str) -> None:
    (line,) = VPCMJLLearner(local_parts=parts).problems()
    assert line.startswith(f"local_parts: {parts[-1]!r}")
    assert words in line


def test_a_context_without_words_is_refused() -> None:
    (line,) = CSPLearner(context_words=" ").problems()
    assert line.startswith("context_words: ")


@pytest.mark.parametrize("learner", [CSPLearner(), TroikaLearner(), VPCMJLLearner()])
def test_sizes_depend_on_attributes_and_objects_and_not_on_the_number_of_pairs(toy_model: Any, learner: Any) -> None:
    candidates = toy_model.candidates
    seen = torch.arange(5).numpy() < 3
    few = replace(toy_model, candidates=replace(candidates, seen=seen)).seen_only()
    every, some = learner.init(toy_model, 0, 0), learner.init(few, 0, 0)
    assert tuple(every) == learner.names()
    assert all(torch.equal(every[name], some[name]) for name in every)
    assert every["table"].shape == (5, 16)


def test_own_pairs_are_those_of_the_client_s_images_and_change_training(world: Any) -> None:
    here = world(clients=2)
    labels = torch.tensor([3, 1, 3, 1] * 5)
    method = Composed(CSPLearner(loss_over="own"))
    work = here.work(method, labels=labels)
    local = method.local(work)
    assert local.buffers["own_pairs"].tolist() == [0, 1, 0, 1, 0]
    usual = Composed(CSPLearner())
    ours, theirs = (m.train(here.work(m, labels=labels)).loss for m in (method, usual))
    assert ours < theirs, "there are fewer pairs to tell apart"
    assert "own_pairs" not in method.uploads


def test_fresh_draws_follow_from_the_seed_alone(toy_model: Any) -> None:
    learner = VPCMJLLearner(adapter_width=3)
    torch.manual_seed(1)
    one = learner.init(toy_model, 0, 0)
    torch.manual_seed(2)
    other, third = learner.init(toy_model, 0, 5), learner.init(toy_model, 1, 0)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["composer.weight"], third["composer.weight"])
    assert torch.equal(one["table"], third["table"])
