"""What single examples ask of the class features: the part of a gradient behind the text tower.

Dimensions: B examples, N prompts, K classes, D joint width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fedsilo.core.batch import Batch

Head = Callable[[Tensor, Batch], Tensor]
"""The loss of each example (B,) from normalised class features (N, K, D), differentiable in them."""


def cotangents(head: Head, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Returns the loss of each example (B,), and its gradient by the class features (B, N, K, D).

    The head is given one example at a time. It costs little beside a tower, and so it may do what it likes, solve a
    transport problem for example; and its examples cannot meet.

    Args:
        head: The losses.
        features: (N, K, D).
        batch: The examples; there may be none.
    """
    losses = features.new_zeros(len(batch))
    found = features.new_zeros(len(losses), *features.shape)
    features = features.detach().requires_grad_()
    for number, single in enumerate(batch.singles()):
        (loss,) = head(features, single)
        losses[number] = loss.detach()
        (found[number],) = torch.autograd.grad(loss, features)
    return losses, found
