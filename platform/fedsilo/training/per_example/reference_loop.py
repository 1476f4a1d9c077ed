"""Gradients of single examples, one after the other: for any loss, and the truth that faster ways are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.training.module_random import rewinder


def loop_gradients(
    loss: Callable[[Mapping[str, Tensor], Batch], Tensor], leaves: Mapping[str, Tensor], batch: Batch
) -> tuple[Tensor, dict[str, Tensor]]:
    """Returns the loss of each example (B,), and each example's gradient (B, *shape) by each leaf.

    What the forward draws (dropout) is drawn alike for every example, so that no gradient depends on which examples
    came before it.

    Args:
        loss: Loss of a batch, differentiable in the leaves; it is given every example alone.
        leaves: The tensors that gradients are taken by.
        batch: The examples; there may be none.
    """
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in leaves.items()}
    losses = next(iter(leaves.values())).new_zeros(len(batch))
    gradients = {name: tensor.new_zeros(len(losses), *tensor.shape) for name, tensor in leaves.items()}
    rewind = rewinder(str(losses.device))
    for number, single in enumerate(batch.singles()):
        rewind()
        value = loss(leaves, single)
        found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
        losses[number] = value.detach()
        for name, gradient in zip(leaves, found, strict=True):
            gradients[name][number] = gradient
    return losses, gradients
