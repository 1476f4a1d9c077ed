"""The loop against the batch's gradient, and the fast way against the loop, for real methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from fedsilo.core import Batch, Frozen, State, Task
from fedsilo.core.registry import title_of
from fedsilo.learners.coop import CoOpLearner
from fedsilo.methods.composed import Composed
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.dplora import DPLoRA
from fedsilo.methods.fedclip import FedCLIP
from fedsilo.methods.fedotp import FedOTP
from fedsilo.methods.fedotp_additive import FedOTPAdditive
from fedsilo.methods.fedper import FedPer
from fedsilo.methods.fedpha import FedPHA
from fedsilo.methods.promptfl import PromptFL
from fedsilo.methods.promptfolio import PromptFolio
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.training.loss import Loss
from fedsilo.training.per_example.example_gradients import compute_example_gradients
from fedsilo.training.per_example.reference_loop import loop_over_examples
from fedsilo.training.recipes import Recipe


@dataclass(frozen=True)
class Held(CoOpLearner):
    """CoOp with a term that holds its texts near the hand-written ones, as KgCoOp's."""

    def loss(self, params: State, buffers: State, batch: Batch, frozen: Frozen, task: Task) -> Tensor:
        apart = (self.text(frozen, params["context"]) - frozen.zero_shot).square().sum()
        return super().loss(params, buffers, batch, frozen, task) + apart


PROMPTFL, FEDOTP = PromptFL(context_length=3), FedOTP(context_length=3)
METHODS: list[Recipe] = [
    PROMPTFL,
    FEDOTP,
    DPFPL(context_length=3, rank=2),
    DPLoRA(context_length=3, rank=2),
    FedOTPAdditive(context_length=3),
    FedPer(context_length=4),
    PromptFolio(context_length=3),
    FedPHA(context_length=3),
    FedCLIP(),
    Composed(Held(context_length=3)),
]


def stated(world: Callable[..., Any], method: Recipe, model: FrozenModel) -> Loss:
    """A method's loss at its start, in fp64."""
    work = world().work(method)
    shared, private = ({k: v.double() for k, v in state.items()} for state in (work.shared, work.private))
    work = world().work(method, model=model, shared=shared, private=private)
    return Loss.at(method.learner, work, method.strategy.together(shared, private, method.learner), {})


def largest_error(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    assert list(found) == list(expected)
    return max(float((found[name] - expected[name]).norm() / expected[name].norm()) for name in expected)


@pytest.mark.parametrize("method", METHODS, ids=title_of)
def test_their_mean_is_the_gradient_of_the_batch(
    world: Callable[..., Any], model: FrozenModel, batch: Batch, method: Recipe
) -> None:
    loss = stated(world, method, model)
    losses, gradients = loop_over_examples(loss, loss.leaves, batch)
    at = {name: leaf.detach().requires_grad_() for name, leaf in loss.leaves.items()}
    value = loss(at, batch)
    expected = dict(zip(at, torch.autograd.grad(value, list(at.values())), strict=True))
    assert float(losses.mean()) == pytest.approx(float(value.detach()), rel=1e-6)
    assert largest_error({name: each.mean(dim=0) for name, each in gradients.items()}, expected) < 1e-6


@pytest.mark.parametrize("method", METHODS, ids=title_of)
def test_the_fast_way_equals_the_loop(
    world: Callable[..., Any], model: FrozenModel, batch: Batch, method: Recipe
) -> None:
    loss = stated(world, method, model)
    expected_losses, expected = loop_over_examples(loss, loss.leaves, batch)
    each = compute_example_gradients(loss, batch, 0.0)
    losses, found = each.losses, each.gradients
    # FedOTP solves its plans in fp32, so a last bit of the features may show there.
    limit = 1e-6 if isinstance(method, FedOTP) else 1e-10
    assert torch.allclose(losses, expected_losses, atol=limit)
    assert largest_error(found, expected) < limit


def test_a_leaf_that_the_loss_does_not_know_gets_zeros(batch: Batch) -> None:
    leaves = {"used": torch.ones(8, dtype=torch.float64), "unused": torch.ones(2, 3)}
    losses, found = loop_over_examples(lambda at, one: (one.inputs["image"] @ at["used"]).mean(), leaves, batch)
    assert torch.equal(found["used"], batch.inputs["image"])
    assert torch.equal(found["unused"], torch.zeros(6, 2, 3))
    assert torch.allclose(losses, batch.inputs["image"].sum(dim=1))


def test_without_examples_there_are_no_gradients(batch: Batch) -> None:
    none = batch.take(slice(0, 0))
    losses, found = loop_over_examples(lambda at, one: at["context"].sum(), {"context": torch.ones(3, 16)}, none)
    assert losses.shape == (0,)
    assert found["context"].shape == (0, 3, 16)
