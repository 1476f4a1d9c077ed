"""Gradients of single examples, one after the other: for any loss, and the reference for the faster ways.

Dimensions: B examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from fedsilo.core.batch import Batch
from fedsilo.training.module_random import make_rewinder


def loop_over_examples(
    loss: Callable[[Mapping[str, Tensor], Batch], Tensor], leaves: Mapping[str, Tensor], batch: Batch
) -> tuple[Tensor, dict[str, Tensor]]:
    """Computes each example's loss and gradient, one example after the other.

    Random draws of the forward (dropout) are the same for every example, so that no gradient depends on which examples
    came before it.

    Args:
        loss: Loss of a batch, differentiable in the leaves; it gets every example alone.
        leaves: The tensors that gradients are taken by.
        batch: The examples; there may be none.

    Returns:
        The losses (B,), and the gradients (B, *shape) by leaf.
    """
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in leaves.items()}
    losses = next(iter(leaves.values())).new_zeros(len(batch))
    gradients = {name: tensor.new_zeros(len(losses), *tensor.shape) for name, tensor in leaves.items()}
    rewind = make_rewinder(str(losses.device))
    for number, single in enumerate(batch.singles()):
        rewind()
        value = loss(leaves, single)
        found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
        losses[number] = value.detach()
        for name, gradient in zip(leaves, found, strict=True):
            gradients[name][number] = gradient
    return losses, gradients
