from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fedsilo.methods.fedprox import FedProx
from fedsilo.methods.promptfl import PromptFL
from fedsilo.storage.run_folder import read_lines
from fedsilo.training.local_training import TrainingPoint, differentiate


def gradient(method: Any, work: Any, at: Tensor) -> Tensor:
    local = method.local(work)
    point = TrainingPoint(work, local.learner, {"context": at}, local.buffers, 0)
    return differentiate(point, work.batch(0), method.strategy.terms(local), 0)[1]["context"]


def test_without_its_weight_it_is_promptfl_bit_for_bit_and_with_it_is_not(world: Any, tmp_path: Path) -> None:
    here = world(rounds=2, local_epochs=2)
    plain = here.federate(PromptFL(context_length=3), tmp_path / "promptfl")
    off = here.federate(FedProx(context_length=3, mu=0.0), tmp_path / "off")
    on = here.federate(FedProx(context_length=3), tmp_path / "on")
    assert (off.shared_sha256, off.scores) == (plain.shared_sha256, plain.scores)
    assert on.shared_sha256 != plain.shared_sha256


def test_the_proximal_gradient_is_mu_times_the_way_gone(world: Any) -> None:
    here, method = world(), FedProx(context_length=3, mu=0.7)
    work = here.work(method)
    way = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    at = work.shared["context"] + way
    difference = gradient(method, work, at) - gradient(PromptFL(context_length=3), work, at)
    torch.testing.assert_close(difference, 0.7 * way, rtol=1e-5, atol=1e-6)


def test_the_proximal_term_holds_clients_near_the_shared_context(world: Any) -> None:
    def way(mu: float) -> float:
        method = FedProx(context_length=3, mu=mu)
        work = world(local_epochs=5).work(method)
        return float((method.train(work).upload["context"] - work.shared["context"]).norm())

    assert way(5.0) < way(0.5) < way(0.0)


def test_only_the_context_goes_over_the_wire(world: Any, tmp_path: Path) -> None:
    world(rounds=2).federate(FedProx(context_length=3), tmp_path / "run")
    lines = read_lines(tmp_path / "run" / "wire.jsonl")
    assert {name for line in lines for name in line["tensors"]} == {"context"}


def test_gradients_of_single_batches_are_refused() -> None:
    (problem,) = FedProx(synchronise="batch").problems()
    assert problem.startswith("synchronise: ")
    assert not FedProx().problems()
