"""The sum of clipped gradients: no example changes it by more than the clip norm."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor

from fedsilo.core.errors import NotFinite

_SLACK = 2.0**-32
"""Relative distance of a clipped gradient's norm below the clip norm: far more than fp64 rounding."""


def sum_clipped(gradients: Mapping[str, Tensor], clip_norm: float) -> tuple[dict[str, Tensor], Tensor]:
    """Clips each example's gradient and sums them up.

    All leaves of an example are clipped together: g / max(1, |g| / C) with |g| the 2-norm over all of them. So one
    example more or less changes the sum by at most C, and another one in its place by at most 2C, in exact arithmetic
    and in fp64; a later rounding to fp32 adds its own error.

    Args:
        gradients: (B, *shape) of each leaf; with B = 0 the sum is zero.
        clip_norm: C, > 0.

    Returns:
        The sum by leaf, fp64, and the norm (B,) of each example before clipping, fp64.

    Raises:
        NotFinite: A gradient is not finite; clipping cannot bound it.
    """
    rows = {name: _flatten_finite(name, gradient.double()) for name, gradient in gradients.items()}
    norms = torch.stack([each.square().sum(dim=1) for each in rows.values()]).sum(dim=0).sqrt()
    factors = (clip_norm * (1 - _SLACK) / norms).clamp(max=1)
    return {name: (factors @ each).view(gradients[name].shape[1:]) for name, each in rows.items()}, norms


def _flatten_finite(name: str, gradient: Tensor) -> Tensor:
    """Returns a finite gradient (B, *shape) as rows (B, numbers)."""
    rows = gradient.reshape(len(gradient), prod(gradient.shape[1:]))
    bad = (~rows.isfinite().all(dim=1)).nonzero()[:, 0].tolist()
    if bad:
        raise NotFinite(
            f"the gradient by {name!r} is not finite for {len(bad)} of {len(rows)} examples, the first is example "
            f"{bad[0]} of the batch"
        )
    return rows
