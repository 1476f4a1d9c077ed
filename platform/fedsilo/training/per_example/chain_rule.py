"""Chain rule from the gradients of contexts to the gradients of the contexts' parts: sums, factors, stacks.

Dimensions: B examples, N prompts, L context tokens, W text width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Contexts = Callable[[Mapping[str, Tensor]], Tensor]
"""Contexts (N, L, W) as a differentiable function of the tensors that gradients are taken by."""


def compute_leaf_gradients(contexts: Contexts, leaves: Mapping[str, Tensor], gradients: Tensor) -> dict[str, Tensor]:
    """Computes each example's gradient by each leaf; zero where the contexts do not depend on a leaf.

    No tower is involved: for a context p + u v + r the gradients by p, u and v are G, G v^T and u^T G.

    Args:
        contexts: Function from leaves to contexts.
        leaves: The tensors.
        gradients: (B, N, L, W) each example's gradient by the contexts.

    Returns:
        (B, *shape) by leaf.
    """
    if not len(gradients):
        return {name: leaf.new_zeros(0, *leaf.shape) for name, leaf in leaves.items()}
    leaves = {name: leaf.detach().requires_grad_() for name, leaf in leaves.items()}
    made, wanted = contexts(leaves), list(leaves.values())
    found = torch.autograd.grad(made, wanted, gradients, is_grads_batched=True, allow_unused=True)
    zeros = (leaf.new_zeros(len(gradients), *leaf.shape) for leaf in wanted)
    return {name: zero if each is None else each for name, each, zero in zip(leaves, found, zeros, strict=True)}
