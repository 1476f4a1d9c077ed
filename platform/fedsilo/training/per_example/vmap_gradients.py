"""Gradients of single examples, all at once, by `torch.func.vmap` over the loss of one example.

Dimensions: b examples.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from fedsilo.core.batch import Batch, Columns
from fedsilo.core.types import State

CHUNK = 32
"""Examples that run together: bounds memory. Each chunk begins with the same draws."""


def vmap_over_examples(
    loss: Callable[[State, Batch], Tensor], leaves: State, batch: Batch
) -> tuple[Tensor, dict[str, Tensor]]:
    """Computes each example's loss and gradient in chunks of examples.

    Random draws of the forward are the same for all examples, as in `reference_loop.loop_over_examples`.

    Args:
        loss: Loss of a batch, differentiable in the leaves; it gets every example alone.
        leaves: The tensors that gradients are taken by.
        batch: At least one example.

    Returns:
        The losses (b,), and the gradients (b, *shape) by leaf.
    """

    def single(at: State, inputs: Columns, targets: Columns) -> Tensor:
        one = Batch({n: c.unsqueeze(0) for n, c in inputs.items()}, {n: c.unsqueeze(0) for n, c in targets.items()})
        return loss(at, one)

    each = torch.func.vmap(torch.func.grad_and_value(single), in_dims=(None, 0, 0), randomness="same", chunk_size=CHUNK)
    detached = {name: leaf.detach() for name, leaf in leaves.items()}
    with sdpa_kernel(SDPBackend.MATH):  # vmap has no rule for the fused attention, and would loop
        gradients, losses = each(detached, dict(batch.inputs), dict(batch.targets))
    return losses, gradients
