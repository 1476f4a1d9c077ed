"""From gradients by contexts to gradients by what the contexts are made of: sums, factors, stacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Contexts = Callable[[Mapping[str, Tensor]], Tensor]
"""Contexts (N, L, W) as a differentiable function of the tensors that gradients are taken by."""


def leaf_gradients(contexts: Contexts, leaves: Mapping[str, Tensor], gradients: Tensor) -> dict[str, Tensor]:
    """Returns each example's gradient (B, *shape) by each leaf; zero where the contexts do not depend on one.

    No tower is involved: for a context p + u v + r the gradients by p, u and v are G, G v^T and u^T G.

    Args:
        contexts: How contexts come from leaves.
        leaves: The tensors.
        gradients: (B, N, L, W) each example's gradient by the contexts.
    """
    if not len(gradients):
        return {name: leaf.new_zeros(0, *leaf.shape) for name, leaf in leaves.items()}
    leaves = {name: leaf.detach().requires_grad_() for name, leaf in leaves.items()}
    made, wanted = contexts(leaves), list(leaves.values())
    found = torch.autograd.grad(made, wanted, gradients, is_grads_batched=True, allow_unused=True)
    zeros = (leaf.new_zeros(len(gradients), *leaf.shape) for leaf in wanted)
    return {name: zero if each is None else each for name, each, zero in zip(leaves, found, zeros, strict=True)}
