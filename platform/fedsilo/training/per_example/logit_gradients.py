"""Gradients of single examples by the class features: the part of the chain rule behind the text tower.

Dimensions: B examples, N prompts, K classes, D joint width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fedsilo.core.batch import Batch

Head = Callable[[Tensor, Batch], Tensor]
"""The loss of each example (B,) from normalised class features (N, K, D), differentiable in them."""


def compute_cotangents(head: Head, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Computes each example's loss and its gradient by the class features.

    The head gets one example at a time. It costs little beside a tower, so it may compute anything, for example solve a
    transport problem; and its examples cannot meet.

    Args:
        head: The losses.
        features: (N, K, D).
        batch: The examples; there may be none.

    Returns:
        The losses (B,) and the gradients (B, N, K, D).
    """
    losses = features.new_zeros(len(batch))
    found = features.new_zeros(len(losses), *features.shape)
    features = features.detach().requires_grad_()
    for number, single in enumerate(batch.singles()):
        (loss,) = head(features, single)
        losses[number] = loss.detach()
        (found[number],) = torch.autograd.grad(loss, features)
    return losses, found
