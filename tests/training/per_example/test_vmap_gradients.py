"""Gradients of single examples by vmap: those of a linear model by hand, also over several chunks."""

import pytest
import torch
from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.core.types import State
from fedsilo.training.per_example.vmap_gradients import CHUNK, vmap_over_examples


def squares(leaves: State, batch: Batch) -> Tensor:
    """The mean of (w x - y)^2 / 2, with x (b, 3) and y (b,)."""
    return ((batch.inputs["x"] @ leaves["w"] - batch.targets["y"]) ** 2).mean() / 2


@pytest.mark.parametrize("examples", [1, 5, 2 * CHUNK + 3])
def test_each_example_has_its_own_loss_and_gradient(examples: int) -> None:
    generator = torch.Generator().manual_seed(examples)
    x, y = torch.randn(examples, 3, generator=generator), torch.randn(examples, generator=generator)
    leaves = {"w": torch.randn(3, generator=generator, requires_grad=True), "unused": torch.ones(2, 2)}
    losses, gradients = vmap_over_examples(squares, leaves, Batch({"x": x}, {"y": y}))
    off = (x @ leaves["w"] - y).detach()
    torch.testing.assert_close(losses, off**2 / 2)
    torch.testing.assert_close(gradients["w"], off[:, None] * x)
    assert torch.equal(gradients["unused"], torch.zeros(examples, 2, 2))
    assert leaves["w"].grad is None
    assert not any(tensor.requires_grad for tensor in (losses, *gradients.values()))


def test_draws_are_the_same_for_all_examples() -> None:
    def noisy(leaves: State, batch: Batch) -> Tensor:
        return (leaves["w"] * torch.randn(3)).sum() + 0 * batch.inputs["x"].sum()

    columns = Batch({"x": torch.zeros(6, 3)}, {"y": torch.zeros(6)})
    _, gradients = vmap_over_examples(noisy, {"w": torch.ones(3)}, columns)
    assert torch.equal(gradients["w"], gradients["w"][:1].expand(6, 3))
    assert len(gradients["w"][0].unique()) == 3
