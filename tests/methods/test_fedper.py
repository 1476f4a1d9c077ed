from pathlib import Path
from typing import Any

import pytest
import torch

from fedsilo.methods.fedper import FedPer
from fedsilo.methods.promptfl import PromptFL
from fedsilo.storage.run_folder import read_lines


@pytest.mark.parametrize(("length", "fraction", "shared"), [(4, 0.5, 2), (5, 0.5, 2), (100, 0.29, 29), (16, 1.0, 16)])
@pytest.mark.parametrize("class_specific", [False, True])
def test_the_first_vectors_are_shared_and_the_others_private(
    toy_model: Any, length: int, fraction: float, shared: int, class_specific: bool
) -> None:
    method = FedPer(context_length=length, shared_fraction=fraction, class_specific=class_specific)
    first, last = method.initial_shared(toy_model, 3)["context"], method.initial_private(toy_model, 3, 1)
    assert first.shape[-2] == shared
    whole = PromptFL(context_length=length, class_specific=class_specific).initial_shared(toy_model, 3)["context"]
    assert torch.equal(torch.cat([first, last["private_context"]], dim=-2), whole)


def test_with_all_vectors_shared_it_is_promptfl_bit_for_bit(world: Any, tmp_path: Path) -> None:
    plain = world().federate(PromptFL(context_length=3), tmp_path / "promptfl")
    all_shared = world().federate(FedPer(context_length=3, shared_fraction=1.0), tmp_path / "fedper")
    assert (all_shared.shared_sha256, all_shared.scores) == (plain.shared_sha256, plain.scores)


def test_both_parts_are_trained_as_one_context(world: Any) -> None:
    here, method, plain = world(local_epochs=2), FedPer(context_length=3), PromptFL(context_length=3)
    result = method.train(here.work(method))
    whole = torch.cat([result.upload["context"], result.private["private_context"]])
    assert torch.equal(whole, plain.train(here.work(plain)).upload["context"])


def test_private_vectors_stay_and_differ(world: Any, tmp_path: Path) -> None:
    outcome = world(rounds=2).federate(FedPer(context_length=3), tmp_path / "run")
    assert len(set(outcome.private_sha256)) == 3
    lines = read_lines(tmp_path / "run" / "wire.jsonl")
    assert all(line["tensors"] == {"context": [[1, 16], "float32"]} for line in lines if line["tensors"])
    assert any(line["tensors"] for line in lines)


def test_a_split_that_shares_nothing_is_refused() -> None:
    (problem,) = FedPer(context_length=1).problems()
    assert problem.startswith("shared_fraction: 0.5 of 1 context vectors is less than one.")
    assert not FedPer(context_length=2).problems()
