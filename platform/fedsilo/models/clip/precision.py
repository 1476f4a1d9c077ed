"""TF32: whether GPUs may round the factors of fp32 products to 10 bits of mantissa (Ampere and later).

torch allows it by default in convolutions and not in matrix products, and the caller of fedsilo may have changed both.
So every process that computes sets it, on or off. The CPU has no TF32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def set_tf32(allowed: bool) -> None:
    """Allows TF32 in matrix products and convolutions of this process, or forbids it in both.

    Args:
        allowed: Whether TF32 is allowed.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


@contextmanager
def use_tf32(allowed: bool) -> Iterator[None]:
    """Allows or forbids TF32 inside the block, and restores the former setting.

    Args:
        allowed: Whether TF32 is allowed.

    Yields:
        Nothing.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    set_tf32(allowed)
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
