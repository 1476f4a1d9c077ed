"""The loop against the batch's gradient, and the fast way against the loop, for real methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from fedsilo.core import Batch
from fedsilo.methods.dpfpl import DPFPL
from fedsilo.methods.fedotp import FedOTP
from fedsilo.methods.promptfl import PromptFL
from fedsilo.models.prompts.frozen_model import FrozenModel
from fedsilo.training.loss import Loss
from fedsilo.training.per_example.example_gradients import compute_example_gradients
from fedsilo.training.per_example.reference_loop import loop_over_examples
from fedsilo.training.recipes import Recipe

PROMPTFL, FEDOTP = PromptFL(context_length=3), FedOTP(context_length=3)
METHODS = [PROMPTFL, FEDOTP, DPFPL(context_length=3, rank=2)]


def stated(world: Callable[..., Any], method: Recipe, model: FrozenModel) -> Loss:
    """A method's loss at its start, in fp64."""
    work = world().work(method)
    shared, private = ({k: v.double() for k, v in state.items()} for state in (work.shared, work.private))
    work = world().work(method, model=model, shared=shared, private=private)
    return Loss.at(method.learner, work, method.strategy.together(shared, private, method.learner), {})


def largest_error(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    assert list(found) == list(expected)
    return max(float((found[name] - expected[name]).norm() / expected[name].norm()) for name in expected)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
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


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
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
